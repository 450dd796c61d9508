// The official client over one of its bindings: fetches an agent's card, verifies it, takes the steps, and prints what
// came of them as one JSON object.
//
//   node client.mjs http://127.0.0.1:8420/agents/candidates/ TOKEN \
//     '{"binding": "JSONRPC", "steps": [{"does": "send", "parts": [{"text": "hello"}], "version": ""}]}'
//   → {"card": {"name": "Candidates", …}, "verified": true, "answers": [{"events": [{"message": {…}}]}]}
//
// The card, the parts and the events are the protocol's JSON. An answer ends with {"error": {"name", "message"}} where
// the client threw, and the report is nothing but that where there is no card for this token.

import { randomUUID } from "node:crypto";
import { InterceptingCall } from "@grpc/grpc-js";
import * as jose from "jose";
import { Message, StreamResponse, verifyAgentCardSignature } from "@a2a-js/sdk";
import {
  ClientFactory,
  ClientFactoryOptions,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
  createAuthenticatingFetchWithRetry,
} from "@a2a-js/sdk/client";
import { GrpcTransportFactory } from "@a2a-js/sdk/client/grpc";

console.debug = () => {}; // the verifier tells of signatures that do not hold, on standard output

const [base, token, plan] = process.argv.slice(2);
const { binding, steps } = JSON.parse(plan);
const path = `.well-known/agent-card.json${binding === "GRPC" ? "?interfaces=all" : ""}`;
let announced = ""; // a version to announce instead of the client's own, which it insists on
const fetchAsIfOf = (url, { headers, ...init } = {}) => {
  const sent = new Headers(headers);
  if (announced) sent.set("A2A-Version", announced);
  return fetch(url, { ...init, headers: sent });
};
const fetchImpl = createAuthenticatingFetchWithRetry(fetchAsIfOf, {
  headers: async () => ({ Authorization: `Bearer ${token}` }),
  shouldRetryWithHeaders: async () => undefined,
});
const withMetadata = (options, next) =>
  new InterceptingCall(next(options), {
    start(metadata, listener, start) {
      metadata.set("authorization", `Bearer ${token}`);
      if (announced) metadata.set("a2a-version", announced);
      start(metadata, listener);
    },
  });
const factory = new ClientFactory({
  ...ClientFactoryOptions.default,
  transports: [
    new JsonRpcTransportFactory({ fetchImpl }),
    new RestTransportFactory({ fetchImpl }),
    new GrpcTransportFactory({ grpcCallOptions: { interceptors: [withMetadata] } }),
  ],
  preferredTransports: [binding],
  cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
});

async function findKey(kid, jku) {
  const { keys } = await (await fetch(jku)).json();
  return jose.importJWK(keys.find((key) => key.kid === kid), "ES256");
}

// What is verified is the card as it came over the wire: given the client's own object, the SDK's verifier loses the
// security schemes (a2aproject/a2a-js, issue 663).
async function fetchCard() {
  const card = await (await fetchImpl(new URL(path, base))).json();
  const verified = await verifyAgentCardSignature(findKey)(card).then(() => true, () => false);
  return { card, verified };
}

const asEvent = (answer) => ({ payload: { $case: "messageId" in answer ? "message" : "task", value: answer } });

async function* take(client, { does, parts, task }) {
  const request = { message: Message.fromJSON({ messageId: randomUUID(), role: "ROLE_USER", parts: parts ?? [] }) };
  if (does === "stream") yield* client.sendMessageStream(request);
  if (does === "send") yield asEvent(await client.sendMessage(request));
  if (does === "get") yield asEvent(await client.getTask({ id: task }));
}

const failure = (error) => ({ error: { name: error.name, message: String(error.message) } });

async function answer(client, step) {
  const events = [];
  announced = step.version;
  try {
    for await (const event of take(client, step)) events.push(StreamResponse.toJSON(event));
    return { events };
  } catch (error) {
    return { events, ...failure(error) };
  }
}

async function report() {
  const client = await factory.createFromUrl(base, path);
  const answers = [];
  for (const step of steps) answers.push(await answer(client, step));
  return { ...(await fetchCard()), speaks: client.transport.protocolName, answers };
}

console.log(JSON.stringify(await report().catch(failure)));
process.exit(0); // connections of gRPC would keep it
