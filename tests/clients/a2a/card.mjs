// Fetches an agent's card as the official client does, and verifies its signature with the key found where it says.
//
//   node card.mjs http://127.0.0.1:8420/agents/candidates/ [TOKEN]
//   → {"name": "Candidates", "skills": ["candidates.search"], …, "verified": true, "tampered": {"name": false, …}}
//
// What is verified is the card as it came over the wire. Given the client's own object, the SDK's verifier loses the
// security schemes and then finds no signature of any card that has some (a2aproject/a2a-js, issue 663).

import * as jose from "jose";
import { verifyAgentCardSignature } from "@a2a-js/sdk";
import { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver } from "@a2a-js/sdk/client";

console.debug = () => {}; // the verifier tells of every signature that does not hold, on standard output

const [base, token] = process.argv.slice(2);
const path = ".well-known/agent-card.json";
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const fetchImpl = (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...headers } });
const options = { ...ClientFactoryOptions.default, cardResolver: new DefaultAgentCardResolver({ fetchImpl }) };

async function findKey(kid, jku) {
  const { keys } = await (await fetch(jku)).json();
  return jose.importJWK(keys.find((key) => key.kid === kid), "ES256");
}

const verify = verifyAgentCardSignature(findKey);
const holds = (card) => verify(card).then(() => true, () => false);

const tamper = {
  name: (card) => (card.name += "!"),
  skill: (card) => (card.skills[0].description += "!"),
  interface: (card) => (card.supportedInterfaces[0].url = "https://elsewhere.test/agents/x"),
  requirements: (card) => delete card.securityRequirements,
  schemes: (card) => delete card.securitySchemes.bearer,
  streaming: (card) => (card.capabilities.streaming = false),
  push: (card) => delete card.capabilities.pushNotifications,
};

async function holdsThough([member, change]) {
  const copy = structuredClone(served);
  change(copy);
  return [member, await holds(copy)];
}

await new ClientFactory(options).createFromUrl(base, path); // there is an interface that it speaks
const card = await options.cardResolver.resolve(base, path);
const served = await (await fetchImpl(new URL(path, base))).json();
console.log(
  JSON.stringify({
    name: card.name,
    skills: card.skills.map((skill) => skill.id),
    interfaces: card.supportedInterfaces.map((one) => one.protocolBinding),
    schemes: Object.keys(card.securitySchemes),
    verified: await holds(served),
    tampered: Object.fromEntries(await Promise.all(Object.entries(tamper).map(holdsThough))),
  }),
);
