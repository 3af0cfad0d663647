// XState on node, spoken to as worker.py is: node peer_xstate.mjs FOLDER, where FOLDER/node_modules has xstate.
// `resolveState` restores, `getNextSnapshot` steps: the pure functions of its manual, and faster than an actor
// made from a persisted snapshot. Left out: making the machine, once.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const { setup, assign, getNextSnapshot } = createRequire(resolve(process.argv[2], "_.js"))("xstate");

const CHUNK = 50;
const GO = { type: "go" };
const arrow = (target, f = "n") => ({
  go: {
    target,
    guard: ({ context }) => context[f] >= 0,
    actions: assign({ [f]: ({ context }) => context[f] + 1 }),
  },
});
const region = (r) => ({
  initial: `${r}a`,
  states: { [`${r}a`]: { on: arrow(`${r}b`, r) }, [`${r}b`]: { on: arrow(`${r}a`, r) } },
});
const CONFIGS = {
  flat: {
    context: { n: 0 },
    initial: "a",
    states: { a: { on: arrow("b") }, b: { on: arrow("c") }, c: { on: arrow("a") } },
  },
  two_level: {
    context: { n: 0 },
    initial: "idle",
    states: {
      idle: { on: arrow("work") },
      work: { initial: "draft", on: arrow("idle"), states: { draft: { on: arrow("review") }, review: {} } },
    },
  },
  three_regions: {
    context: { x: 0, y: 0, z: 0 },
    type: "parallel",
    states: { x: region("x"), y: region("y"), z: region("z") },
  },
};
const STARTS = { flat: "a", two_level: "idle", three_regions: { x: "xa", y: "ya", z: "za" } };
const CYCLES = {
  flat: [["a"], ["b"], ["c"]],
  two_level: [["idle"], ["draft"], ["review"]],
  three_regions: [["xa", "ya", "za"], ["xb", "yb", "zb"]],
};

const advance = (machine, { value, context }) => {
  const after = getNextSnapshot(machine, machine.resolveState({ value, context }), GO);
  return { value: after.value, context: after.context };
};
// Processor time, as worker.py takes it; here the threads of the compiler and the garbage collector count, too.
const spent = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const names = (value) => (typeof value === "string" ? [value] : Object.values(value).flatMap(names)).sort();

const fault = (chart, machine) => {
  let now = { value: STARTS[chart], context: machine.config.context };
  for (let turn = 0; turn < 12; turn++) {
    const expected = CYCLES[chart][turn % CYCLES[chart].length];
    const counted = Object.values(now.context).every((n) => n === turn);
    if (names(now.value).join() !== expected.join() || !counted)
      return `after ${turn} steps: ${JSON.stringify(now)} instead of ${expected}`;
    now = advance(machine, now);
  }
  return null;
};

const machines = {};
const notes = {};
for (const [chart, config] of Object.entries(CONFIGS)) {
  machines[chart] = setup({}).createMachine({ id: "bench", ...config });
  notes[chart] = fault(chart, machines[chart]);
}
console.log(JSON.stringify(notes));

for await (const line of createInterface({ input: process.stdin })) {
  const [chart, seconds] = line.split(" ");
  const machine = machines[chart];
  let now = { value: STARTS[chart], context: machine.config.context };
  let steps = 0;
  let elapsed = 0;
  const begun = spent();
  while ((elapsed = spent() - begun) < Number(seconds)) {
    for (let i = 0; i < CHUNK; i++) now = advance(machine, now);
    steps += CHUNK;
  }
  console.log(steps / elapsed);
}
