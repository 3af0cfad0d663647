// Runs charts in XState. Each line of stdin is {"config", "events"}, each line of stdout what happened:
// {"steps": [{"active", "said", "context", "done"}, ...], "error"?, "corrupt"?}, the first step being the start.
// XState itself leaves the legal configurations in rare cases (a history that stands for its own source): "corrupt"
// is then true, and the steps end before.
// An event is {"type", ...data} or {"advance": milliseconds}.
import { createInterface } from 'node:readline';
import { SimulatedClock, and, assign, cancel, createActor, createMachine, enqueueActions, not, raise, stateIn } from 'xstate';

const TICK = 10;

const guards = {
  less: ({ context }, { field, than }) => context[field] < than,
  odd: ({ context }, { field }) => context[field] % 2 === 1,
  flag: ({ event }) => Boolean(event.flag),
};

const value = (context, term) => (typeof term === 'string' ? context[term] : term);

const actions = (said) => ({
  say: (_, { word }) => said.push(word),
  set: assign(({ context }, { fields }) =>
    Object.fromEntries(
      Object.entries(fields).map(([name, terms]) => [
        name,
        terms.reduce((sum, term) => sum + value(context, term), 0),
      ]),
    ),
  ),
});

// What our own export to XState's JSON names: expressions in our words, as far as random charts use them.
const evaluator = (text) => {
  const words = text.replaceAll(/\bnot \(/g, '!(').replaceAll(' and ', ' && ').replaceAll('in_state(', 'inState(');
  return new Function('context', 'data', 'inState', `return (${words});`);
};

const guard = (text) => {
  const evaluate = evaluator(text);
  const expression = () => {};
  expression.check = (snapshot, { context, event }) =>
    evaluate(context, event, (path) => snapshot._nodes.some((node) => node.path.join('.') === path));
  return expression;
};

// With us a second delayed raise of an id replaces the first; in XState both come.
const later = ({ event, delay, id }) => {
  const made = raise({ type: event }, { delay, id });
  if (!id) return made;
  return enqueueActions(({ enqueue }) => {
    enqueue.cancel(id);
    enqueue(made);
  });
};

const exported = (said) => ({
  emit: (_, { type }) => said.push(type.replace('t.', '')),
  assign: assign(({ context }, fields) =>
    Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, evaluator(text)(context)])),
  ),
});

// Guards that look at the configuration, and what waits under an id, are functions of XState: JSON has none.
function revived(_, node) {
  if (node && typeof node === 'object') {
    if ('$in' in node) return stateIn(node.$in);
    if (node.type === 'raise' && node.params) return later(node.params);
    if (node.type === 'cancel' && node.params) return cancel(node.params.id);
    if ('$not' in node) return not(node.$not);
    if ('$and' in node) return and(node.$and);
    if (node.type === 'expression') return guard(node.params.expression);
  }
  return node;
}

const isLegal = (nodes) => {
  const active = new Set(nodes);
  return nodes.every((node) => {
    const inside = Object.values(node.states).filter((child) => child.type !== 'history');
    const count = inside.filter((child) => active.has(child)).length;
    if (node.type === 'history') return false;
    return (!node.parent || active.has(node.parent)) && count === (node.type === 'compound' ? 1 : inside.length);
  });
};

function run({ config, events }) {
  const said = [];
  const steps = [];
  const clock = new SimulatedClock();
  const machine = createMachine({ ...config, options: { maxIterations: 1000 } }, { guards, actions: { ...actions(said), ...exported(said) } });
  let error = null;
  let corrupt = false;
  const inspect = ({ type, snapshot }) => {
    if (type === '@xstate.microstep') corrupt ||= !isLegal(snapshot._nodes);
  };
  const actor = createActor(machine, { clock, inspect });
  actor.subscribe({ error: (raised) => (error = String(raised.message ?? raised)) });
  const note = () => {
    const snapshot = actor.getSnapshot();
    steps.push({
      active: snapshot._nodes.map((node) => node.path.join('.')).sort(),
      said: said.splice(0),
      context: snapshot.context,
      done: snapshot.status === 'done',
    });
  };
  actor.start();
  for (const event of [null, ...events]) {
    if (event && 'advance' in event) {
      for (let passed = 0; passed < event.advance && !error; passed += TICK) clock.increment(TICK);
    } else if (event) {
      actor.send(event);
    }
    if (error || corrupt) return { steps, error, corrupt };
    note();
  }
  actor.stop();
  return { steps };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = run(JSON.parse(line, revived));
  } catch (broken) {
    answer = { steps: [], broken: String(broken.stack ?? broken) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
