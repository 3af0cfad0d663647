// Runs cases of `interlock simulate --cases` in XState: each line of stdin a case, each line of stdout its answer.
// "corrupt": XState itself has left the legal configurations, or has entered a state again without having left it and
// lost track of its timer; so its answer is none to compare with.
import { createInterface } from 'node:readline';
import { SimulatedClock, assign, cancel, createActor, createMachine, emit, raise } from 'xstate';

const TICK = 10;

// JSON has no functions: what stands for one of XState's actions becomes it.
const revived = (_, node) => {
  if (!node || typeof node !== 'object' || Array.isArray(node) || Object.keys(node).length !== 1) return node;
  if (typeof node.raise === 'string') return raise({ type: node.raise });
  if (node.raise?.event) return raise({ type: node.raise.event }, { delay: node.raise.delay, id: node.raise.id });
  if (typeof node.cancel === 'string') return cancel(node.cancel);
  if (node.assign) return assign(node.assign);
  if (typeof node.emit === 'string') return emit({ type: node.emit });
  return node;
};

const namesIn = (node, word, found = new Set()) => {
  if (Array.isArray(node)) node.forEach((item) => namesIn(item, word, found));
  else if (node && typeof node === 'object') {
    for (const [key, value] of Object.entries(node)) {
      const list = Array.isArray(value) ? value : [value];
      if (word.includes(key)) list.filter((item) => typeof item === 'string').forEach((item) => found.add(item));
      namesIn(value, word, found);
    }
  }
  return found;
};

// Timers that arm one another with no delay would hold the clock for ever.
class BoundedClock extends SimulatedClock {
  armed = 0;
  setTimeout(run, delay) {
    this.armed += 1;
    if (this.armed > 5000) throw new Error('timers never rest');
    return super.setTimeout(run, delay);
  }
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

function run({ chart, events = [], guards = {} }) {
  const verdicts = { ...guards };
  let said = [];
  const implementations = { guards: {}, actions: {} };
  for (const name of Object.keys(guards)) implementations.guards[name] = () => Boolean(verdicts[name]);
  for (const name of namesIn(chart, ['actions', 'entry', 'exit'])) implementations.actions[name] = () => said.push(name);
  const clock = new BoundedClock();
  let error = null;
  let corrupt = false;
  const inspect = ({ type, snapshot }) => {
    if (type === '@xstate.microstep') corrupt ||= !isLegal(snapshot._nodes);
  };
  const actor = createActor(createMachine({ ...chart, options: { maxIterations: 1000 } }, implementations), { clock, inspect });
  const { scheduler } = actor.system;
  const schedule = scheduler.schedule;
  scheduler.schedule = (source, target, event, delay, id) => {
    corrupt ||= id !== undefined && `${source.sessionId}.${id}` in actor.system._snapshot._scheduledEvents;
    schedule(source, target, event, delay, id);
  };
  actor.subscribe({ error: (raised) => (error = String(raised.message ?? raised)) });
  const configs = [];
  const actions = [];
  const note = () => {
    const nodes = actor.getSnapshot()._nodes.filter((node) => node.type === 'atomic' || node.type === 'final');
    configs.push(nodes.map((node) => node.id).sort());
    actions.push(said);
    said = [];
  };
  actor.start();
  if (!error) note();
  for (const event of events) {
    if (error || corrupt) break;
    Object.assign(verdicts, event.guards);
    if ('advance' in event) {
      for (let passed = 0; passed < event.advance && !error; passed += TICK) clock.increment(TICK);
    } else {
      actor.send({ type: event.type, ...event.data });
    }
    if (!error) note();
  }
  const { status } = actor.getSnapshot();
  actor.stop();
  if (corrupt) return { corrupt: true };
  return error ? { error } : { configs, actions, status };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = run(JSON.parse(line, revived));
  } catch (broken) {
    answer = { error: String(broken.message ?? broken) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
