// Reads diagrams with Mermaid's own parser. Each line of stdin is a JSON string, each line of stdout
// {"states": {id: description}, "arrows": number} or {"broken"}.
import { createInterface } from 'node:readline';

// Mermaid asks for a browser when it is loaded. Its sanitizer finds a document that makes no documents and
// lets every text pass: what is tested is the grammar.
globalThis.window = globalThis;
globalThis.addEventListener = () => {};
globalThis.Element = class {};
globalThis.document = { nodeType: 9, implementation: {}, createElement: () => ({}) };
const { default: mermaid } = await import('./mermaid.esm.min.mjs');

function* statements(document) {
  for (const statement of document) {
    yield statement;
    if (statement.doc) yield* statements(statement.doc);
  }
}

async function read(text) {
  await mermaid.parse(text);
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  const all = [...statements(db.rootDoc)];
  const states = all.filter(({ stmt, type }) => stmt === 'state' && type === 'default');
  return {
    states: Object.fromEntries(states.map(({ id, description }) => [id, description])),
    arrows: all.filter(({ stmt }) => stmt === 'relation').length,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await read(JSON.parse(line));
  } catch (broken) {
    answer = { broken: String(broken.message ?? broken) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
