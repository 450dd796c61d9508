// What every client here does, and how it is reported: one JSON object on standard output.
//
//   node ts_v2.mjs URL TOKEN '{"mode": "auto", "steps": [{"name": "candidates_get", "arguments": {"id": "c-0001"}}]}'
//   → {"negotiated": "2026-07-28", "tools": ["candidates_get", …], "answers": [{"result": {…}}]}
//
// An answer is {"result": …} or, where the protocol refused the call, {"refused": {"code", "message"}}.

const [url, token, text] = process.argv.slice(2);

export const plan = JSON.parse(text ?? "{}");
export const endpoint = new URL(url);
export const transportOptions = { requestInit: { headers: { Authorization: `Bearer ${token}` } } };

async function answer(client, step) {
  try {
    return { result: await client.callTool({ name: step.name, arguments: step.arguments ?? {} }) };
  } catch (error) {
    return { refused: { code: error.code ?? null, message: String(error.message) } };
  }
}

async function allTools(client) {
  const names = [];
  let cursor;
  do {
    const page = await client.listTools(cursor ? { cursor } : {});
    names.push(...page.tools.map((tool) => tool.name));
    cursor = page.nextCursor;
  } while (cursor);
  return names;
}

/** Connect, list, take the steps, and print what came of them. `negotiated` reads the revision once connected. */
export async function run(client, transport, negotiated) {
  await client.connect(transport);
  const report = { negotiated: negotiated(), tools: await allTools(client), answers: [] };
  for (const step of plan.steps ?? []) report.answers.push(await answer(client, step));
  await client.close();
  console.log(JSON.stringify(report));
}
