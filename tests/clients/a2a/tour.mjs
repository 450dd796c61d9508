// The official client over one of its bindings, walking through every operation with one agent: see
// tests/support/a2a_tour.py for what it does there and why.
//
//   node tour.mjs http://127.0.0.1:8420/agents/clerk/ TOKEN '{"binding": "GRPC", "hook": "http://…", "context": "c-1"}'
//   → {"speaks": "GRPC", "sent": {…}, "streamed": [{…}], …}
//
// Everything is the protocol's JSON, and an error is its name.

import { randomUUID } from "node:crypto";
import {
  ListTasksResponse,
  Message,
  StreamResponse,
  Task,
  TaskPushNotificationConfig,
  TaskState,
} from "@a2a-js/sdk";
import {
  ClientFactory,
  ClientFactoryOptions,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
  createAuthenticatingFetchWithRetry,
} from "@a2a-js/sdk/client";
import { GrpcTransportFactory } from "@a2a-js/sdk/client/grpc";

const [base, token, plan] = process.argv.slice(2);
const { binding, hook, context } = JSON.parse(plan);
const bearer = { Authorization: `Bearer ${token}` };
const fetchImpl = createAuthenticatingFetchWithRetry(fetch, {
  headers: async () => bearer,
  shouldRetryWithHeaders: async () => undefined,
});
const factory = new ClientFactory({
  ...ClientFactoryOptions.default,
  transports: [
    new JsonRpcTransportFactory({ fetchImpl }),
    new RestTransportFactory({ fetchImpl }),
    new GrpcTransportFactory(),
  ],
  preferredTransports: [binding],
  cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
});
const client = await factory.createFromUrl(base, ".well-known/agent-card.json?interfaces=all");
// Over gRPC the token is metadata, which is what the client makes of service parameters.
const options = binding === "GRPC" ? { serviceParameters: { authorization: bearer.Authorization } } : {};

const message = (text, members = {}) =>
  Message.fromJSON({ messageId: randomUUID(), role: "ROLE_USER", parts: [{ text }], ...members });
const send = (text, members, configuration) =>
  client.sendMessage({ message: message(text, members), configuration }, options);

async function all(events, onFirst = async () => {}) {
  const told = [];
  for await (const event of events) {
    told.push(StreamResponse.toJSON(event));
    if (told.length === 1) await onFirst();
  }
  return told;
}

const held = (word) => send(`hold ${word}`, {}, { returnImmediately: true });

async function configs(taskId) {
  const config = (id) =>
    TaskPushNotificationConfig.fromJSON({
      taskId,
      id,
      url: hook,
      token: "hook-token",
      authentication: { scheme: "Bearer", credentials: "hook-secret" },
    });
  const list = async () => (await client.listTaskPushNotificationConfig({ taskId, pageSize: 10 }, options)).configs.map((one) => one.id);
  const created = await client.createTaskPushNotificationConfig(config("kept"), options);
  await client.createTaskPushNotificationConfig(config("dropped"), options);
  const got = await client.getTaskPushNotificationConfig({ taskId, id: "kept" }, options);
  const listed = await list();
  await client.deleteTaskPushNotificationConfig({ taskId, id: "dropped" }, options);
  const json = TaskPushNotificationConfig.toJSON;
  return { created: json(created), got: json(got), listed, left: await list() };
}

async function pages() {
  const found = [];
  let pageToken = "";
  do {
    const asked = { contextId: context, pageSize: 2, pageToken, status: TaskState.TASK_STATE_COMPLETED };
    const page = await client.listTasks(asked, options);
    found.push(ListTasksResponse.toJSON(page));
    pageToken = page.nextPageToken;
  } while (pageToken);
  return found;
}

const failure = (work) => work().then(() => "", (error) => error.name);

async function tour() {
  const sent = await send("say hello", { contextId: context });
  const streamed = await all(client.sendMessageStream({ message: message("say hello", { contextId: context }) }, options));
  for (const number of [1, 2, 3]) await send(`say ${number}`, { contextId: context });
  const first = await held("first");
  const pushing = await configs(first.id);
  const followed = await all(client.resubscribeTask({ id: first.id }, options), () => send("go first"));
  const second = await held("second");
  let cancelled;
  const ended = await all(client.resubscribeTask({ id: second.id }, options), async () => {
    cancelled = await client.cancelTask({ id: second.id }, options);
  });
  return {
    speaks: client.transport.protocolName,
    sent: Task.toJSON(sent),
    streamed,
    got: Task.toJSON(await client.getTask({ id: sent.id }, options)),
    held: Task.toJSON(first),
    configs: pushing,
    followed,
    second: Task.toJSON(second),
    cancelled: Task.toJSON(cancelled),
    ended,
    pages: await pages(),
    card: (await client.getAgentCard(options)).name,
    errors: {
      unknown: await failure(() => client.getTask({ id: "no-such-task" }, options)),
      over: await failure(() => client.cancelTask({ id: sent.id }, options)),
      ended: await failure(() => all(client.resubscribeTask({ id: sent.id }, options))),
    },
  };
}

console.log(JSON.stringify(await tour()));
process.exit(0);
