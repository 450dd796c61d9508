// The official TypeScript client, version 2. Its default is the older revision; "mode": "auto" in the plan negotiates.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { endpoint, plan, run, transportOptions } from "./steps.mjs";

const options = plan.mode ? { versionNegotiation: { mode: plan.mode } } : {};
const client = new Client({ name: "interchange-tests-v2", version: "1" }, options);
const transport = new StreamableHTTPClientTransport(endpoint, transportOptions);
await run(client, transport, () => client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion);
