// The life of the process: ready, one job, its calls, its result.

// `isSaid`: there is something to deliver even where the script leaves early.
const state = { returned: undefined, event: {}, isSaid: false };
const waiting = new Map(); // API calls by id
let calls = 0;
let name = '';

/** Does not return. */
function finish(text) {
  writeFrame(RESULT, text);
  leave(0);
}

function fail(thrown, code) {
  finish(stringify({ error: described(thrown, name, code) }));
}

function send(request, onReply) {
  calls += 1;
  writeFrame(API_REQUEST, stringify({ id: calls, ...request }));
  waiting.set(calls, onReply);
  socket.ref(); // an open call keeps the event loop alive
}

/** A question to the platform itself; its answer keeps the event loop alive as a call's does. */
function ask(question) {
  return new Promise((resolve, reject) => {
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
  const job = parse(payload);
  name = job.name;
  let script;
  try {
    script = compiled(job.source, name);
  } catch (error) {
    finish(stringify({ error: syntaxError(error, name) }));
  }
  if (type === CHECK) finish('{}');
  watch();
  try {
    run(script, job, makeAPI(send), ask, state, (thrown) => fail(thrown, codeOf(thrown)));
  } catch (error) {
    fail(error, codeOf(error));
  }
}

function watch() {
  // A script that listens by itself has taken over.
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') === 1) fail(error, 500);
  });
  process.on('unhandledRejection', (reason) => {
    if (process.listenerCount('unhandledRejection') === 1) fail(reason, 500);
  });
  const last = () => { if (!process.exitCode && state.isSaid) finish(encoded(state)); };
  // Listening to `exit` only now puts the harness behind the script's own listeners.
  const queueUp = () => {
    process.removeListener('exit', last);
    process.on('exit', last);
  };
  process.on('beforeExit', queueUp);
  // A script that leaves while it still runs has no result, unless it gave one before.
  process.exit = (...code) => {
    queueUp();
    exit.apply(process, code); // without a code it keeps that of process.exitCode
  };
}

/** Sends a script through what a job goes through, so that the job is not the first to do anything. */
function warmUp() {
  const source = 'console.log; const f = (x) => ({ a: x.a }); platform.api.get("x", "", () => {}); return f(event);';
  const event = { a: [1, null], response: {} };
  const job = parse(stringify({ name: 'warm', source, event, platform: { session: {} } }));
  const warm = {};
  const api = makeAPI((request, onReply) => onReply({ status: 200, body: stringify(request) }));
  run(compiled(source, 'warm'), job, api, async () => null, warm, () => {});
  encoded(warm);
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
