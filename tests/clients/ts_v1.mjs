// The official TypeScript SDK, version 1: the client most hosts ship today.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { endpoint, run, transportOptions } from "./steps.mjs";

const client = new Client({ name: "interchange-tests-v1", version: "1" });
const transport = new StreamableHTTPClientTransport(endpoint, transportOptions);
await run(client, transport, () => transport.protocolVersion);
