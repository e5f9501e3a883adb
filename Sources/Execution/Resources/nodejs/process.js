// The life of the process: ready, one job, its calls, its result; and where that is allowed, the next job.

const waiting = new Map(); // API calls by id
let calls = 0;
// The job that is served. `state.isSaid`: there is something to deliver even where the script leaves early.
let job = { name: '', state: { isSaid: false } };
let last; // the script that ran last, and what it was compiled from
let tidiness; // where this process may serve several jobs

/** Does not return. */
function finish(text) {
  writeFrame(RESULT, text);
  leave(0);
}

function fail(thrown, code) {
  finish(stringify({ error: described(thrown, job.name, code) }).replace(LONE, '\ufffd'));
}

/** How one job asks; when it is over, nobody would hear the answer. */
function sender(mine) {
  return (request, onReply) => {
    if (mine !== job) throw new Error('The job that this platform object belongs to is over');
    const text = written({ id: calls + 1, ...request });
    calls += 1;
    writeFrame(API_REQUEST, text);
    waiting.set(calls, onReply);
    socket.ref(); // an open call keeps the event loop alive
  };
}

/** Questions to the platform itself; an answer keeps the event loop alive as a call's does. */
function asker(send) {
  return (question) => new Promise((resolve, reject) => {
    send(question, (reply) => {
      if ('refused' in reply) reject(new Error(reply.refused));
      else resolve(reply.value);
    });
  });
}

function serve(type, payload) {
  if (type === API_RESPONSE) {
    const reply = parse(payload);
    const onReply = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (!waiting.size) socket.unref();
    if (onReply) tick(onReply, reply); // what a callback throws must not pass through the reader
    return;
  }
  socket.unref();
  const isFirst = last === undefined;
  job = { ...parse(payload), state: { returned: undefined, event: {}, isSaid: false } };
  if (last?.source !== job.source || last.name !== job.name) {
    try {
      last = { source: job.source, name: job.name, script: compiled(job.source, job.name) };
    } catch (error) {
      finish(stringify({ error: syntaxError(error, job.name) }));
    }
  }
  if (type === CHECK) finish('{}');
  if (isFirst) watch();
  else globalThis.console = new Console(process.stdout, process.stderr); // with counters and groups of its own
  if (isFirst && job.reuse) tidiness = beginTidiness();
  process.exit = leaveEarly;
  const mine = job;
  const send = sender(mine);
  // What a job that is over has left must not end the one that follows.
  const failed = (thrown) => { if (mine === job) fail(thrown, codeOf(thrown)); };
  try {
    run(last.script, job, makeAPI(send), asker(send), job.state, failed);
  } catch (error) {
    fail(error, codeOf(error));
  }
}

// Listening to `exit` only when it comes puts the harness behind the script's own listeners.
const deliver = () => { if (!process.exitCode && job.state.isSaid) finish(encoded(job.state)); };
function queueUp() {
  process.removeListener('exit', deliver);
  process.on('exit', deliver);
}

/** A script that leaves while it still runs has no result, unless it gave one before. */
function leaveEarly(...code) {
  queueUp();
  exit.apply(process, code); // without a code it keeps that of process.exitCode
}

function watch() {
  // A script that listens by itself has taken over.
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') === 1) fail(error, 500);
  });
  process.on('unhandledRejection', (reason) => {
    if (process.listenerCount('unhandledRejection') === 1) fail(reason, 500);
  });
  process.on('beforeExit', () => {
    if (tidiness && listeners() === tidiness.listeners && !job.state.isPending && !process.exitCode) goOn();
    else queueUp();
  });
}

/** Delivers the result and waits for the next job. */
function goOn() {
  writeFrame(RESULT, encoded(job.state));
  if (!tidiness.restore()) leave(0);
  job = { name: job.name, state: { isSaid: false } };
  for (const name of Object.keys(surroundings({}, {}))) delete globalThis[name];
  socket.ref();
  writeFrame(READY, '{}');
}

/** Sends a script through what a job goes through, so that the job is not the first to do anything. */
function warmUp() {
  const source = 'console.log; const f = (x) => ({ a: x.a }); platform.api.get("x", "", () => {}); return f(event);';
  const event = { a: [1, null], response: {} };
  const example = parse(stringify({ name: 'warm', source, event, platform: { session: {} } }));
  const warm = {};
  const api = makeAPI((request, onReply) => onReply({ status: 200, body: stringify(request) }));
  run(compiled(source, 'warm'), example, api, async () => null, warm, () => {});
  encoded(warm);
  structuredClone(warm.returned); // has a port of its own from then on
  described(new Error('x'), 'warm', 500);
  for (const name of Object.keys(surroundings({}, {}))) delete globalThis[name];
}

function prepareOutput() {
  for (const stream of [process.stdout, process.stderr]) {
    stream.write('');
    stream._handle?.setBlocking?.(true); // or what is not yet written is lost when the process leaves
  }
}

globalThis.require = makeRequire(createRequire(__filename));
globalThis.__filename = '[eval]'; // a script is no file
globalThis.__dirname = '.';
globalThis.module = { exports: {} };
globalThis.exports = globalThis.module.exports;
net.Socket.prototype.connect = function () {
  tick(() => this.destroy(new Error(NO_NETWORK)));
  return this;
};

const socket = new net.Socket({ fd: FRAMES, readable: true, writable: false });
socket.on('data', frameReader(serve));
socket.on('close', () => leave(70)); // the worker has gone
prepareOutput();
if (!isOnce) warmUp();
writeFrame(READY, '{}');
