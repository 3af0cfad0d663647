// Runs what `interlock diagram --format xstate` wrote. Each line of stdin is {"config", "events", "tick"}: time
// goes by in steps of `tick` milliseconds. Each line of stdout is {"broken"} or {"states": [[ids of the active
// atomic and final states, sorted], ...]}, the first being the start.
// This is all that has to be filled in for a chart of ours: five actions and two guards by name.
import { createInterface } from 'node:readline';
import { SimulatedClock, assign, createActor, createMachine, raise } from 'xstate';

const truth = { true: true, false: false };
// The expressions of these charts read one field; a real program would bring an evaluator.
function value(text, { context, event }) {
  const [from, field] = text.split('.');
  return text in truth ? truth[text] : ({ context, data: event }[from][field] ?? null);
}

const implementations = {
  guards: {
    expression: (scope, { expression }) => value(expression, scope) === true,
    refused: (scope, { guard, require }) =>
      (guard === null || value(guard, scope) === true) && require.some(({ check }) => value(check, scope) !== true),
  },
  actions: {
    assign: assign((scope, fields) =>
      Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, value(text, scope)])),
    ),
    raise: raise((_, { event }) => ({ type: event })),
    emit: () => {},
  },
};

function run({ config, events, tick }) {
  const clock = new SimulatedClock();
  const actor = createActor(createMachine(config, implementations), { clock });
  let failure = null;
  actor.subscribe({ error: (raised) => (failure = raised) });
  const states = [];
  const note = () => {
    const active = actor.getSnapshot()._nodes.filter((node) => node.type === 'atomic' || node.type === 'final');
    states.push(active.map((node) => node.id).sort());
  };
  actor.start();
  note();
  for (const event of events) {
    if ('advance' in event) for (let passed = 0; passed < event.advance; passed += tick) clock.increment(tick);
    else actor.send(event);
    if (failure) throw failure;
    note();
  }
  actor.stop();
  return { states };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = run(JSON.parse(line));
  } catch (broken) {
    answer = { broken: String(broken.stack ?? broken) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
