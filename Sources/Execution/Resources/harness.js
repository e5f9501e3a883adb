'use strict';
// Runs one tenant's Node.js script.
//
// Started parked, with the job's frame socket as descriptor 3 and its log pipes as 1 and 2. It warms up, says READY,
// waits for one frame, runs or checks the script, sends RESULT when the event loop is empty, and exits.

const fs = require('fs');
const net = require('net');
const vm = require('vm');
const { createRequire } = require('module');
const { EventEmitter } = require('events');
const { Readable } = require('stream');
const { Buffer, isUtf8 } = require('buffer');
const process = require('process');
// Loaded for the scripts: a built-in module that was compiled before the job costs the job nothing.
require('https'), require('url'), require('querystring'), require('util'), require('zlib');

const FRAMES = 3;
const READY = 0, JOB = 1, API_REQUEST = 2, API_RESPONSE = 3, RESULT = 4, CHECK = 5;
const TRACE_FRAMES = 32;
const CURL_OPTION = /^(CURLOPT_\w+|\d+)$/i; // by name, or by PHP's number
const NO_NETWORK = 'A script has no network of its own: use platform.api';
// What scripts call a library, and its name where it is not that.
const ALIASES = { 'lodash.min.js': 'lodash' };
// The Debian packages of libraries that scripts expect.
const PACKAGES = { lodash: 'node-lodash', async: 'node-async' };

// A script may replace globals; these, and what the harness needs afterwards is held here.
const { parse, stringify } = JSON;
const { writeSync } = fs;
const { exit } = process;
const leave = process.reallyExit.bind(process);
const tick = process.nextTick;

// --- Frames ----------------------------------------------------------------------------------------------------------

const idle = new Int32Array(new SharedArrayBuffer(4));

/** Writes at once, whatever the event loop does: a result can be sent while the process exits. */
function writeFrame(type, payload) {
  const body = Buffer.from(payload);
  const frame = Buffer.allocUnsafe(5 + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame[4] = type;
  body.copy(frame, 5);
  for (let sent = 0; sent < frame.length;) {
    try {
      sent += writeSync(FRAMES, frame, sent);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(idle, 0, 0, 1); // the socket is full: the worker is reading
    }
  }
}

/** Calls `handle(type, payload)` for every frame in a stream of chunks. */
function frameReader(handle) {
  let chunks = [];
  let held = 0;
  let wanted = 5;
  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= wanted) {
      const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, held);
      const end = 5 + all.readUInt32LE(0);
      const whole = held >= end;
      if (whole) handle(all[4], all.toString('utf8', 5, end));
      const rest = whole ? all.subarray(end) : all;
      chunks = rest.length ? [rest] : [];
      held = rest.length;
      wanted = whole ? 5 : end;
    }
  };
}

// --- platform.api ----------------------------------------------------------------------------------------------------

/** What an API call returns: an emitter, as http.ClientRequest is, that can be awaited too. */
class Call extends EventEmitter {
  constructor(outcome) {
    super();
    Object.defineProperty(this, 'outcome', { value: outcome });
  }

  then(...handlers) { return this.outcome.then(...handlers); }
  catch(handler) { return this.outcome.catch(handler); }
  finally(handler) { return this.outcome.finally(handler); }
  // Of http.ClientRequest, without meaning here.
  end() { return this; }
  write() { return true; }
  setTimeout() { return this; }
  abort() {}
  destroy() { return this; }
}

/** What a callback gets, as http.IncomingMessage is: the body has arrived, and can be read as a stream all the same. */
class Reply extends Readable {
  constructor({ status, reason = '', headers = {} }, body) {
    super({
      read() {
        if (body) this.push(body);
        this.push(null);
      },
    });
    // A script that prints or returns it means the reply, not the stream.
    for (const key of Object.keys(this)) Object.defineProperty(this, key, { enumerable: false });
    Object.assign(this, { statusCode: status, statusMessage: reason, headers, body });
  }
}

/** `send(request, onReply)` delivers a request's fields and calls back with the reply's. */
function makeAPI(send) {
  function call(verb, path, payload, options, callback) {
    if (typeof payload === 'function') [payload, callback] = [undefined, payload];
    if (typeof options === 'function') [options, callback] = [undefined, options];
    if (typeof callback !== 'function') callback = undefined;
    const given = options && typeof options === 'object' ? options : {};
    // An options object without either key is the header map itself.
    const both = 'headers' in given || 'parameters' in given;
    const entries = Object.entries(given);
    const rest = Object.fromEntries(entries.filter(([key]) => !CURL_OPTION.test(key)));
    const request = {
      verb: String(verb).toUpperCase(),
      path: String(path),
      options: Object.fromEntries(entries.filter(([key]) => CURL_OPTION.test(key))),
      headers: flatten(both ? given.headers : rest),
      parameters: flatten(both ? given.parameters : {}),
      ...bodyFields(payload),
    };
    let settle;
    const made = new Call(new Promise((resolve) => { settle = resolve; }));
    send(request, (reply) => {
      const body = 'body_base64' in reply ? Buffer.from(reply.body_base64, 'base64').toString() : reply.body ?? '';
      const response = new Reply(reply, body);
      made.emit('response', response);
      settle(callback ? callback(body, response) : response);
    });
    return made;
  }
  return {
    call,
    get: (path, options, callback) => call('GET', path, undefined, options, callback),
    post: (path, payload, options, callback) => call('POST', path, payload, options, callback),
    put: (path, payload, options, callback) => call('PUT', path, payload, options, callback),
    patch: (path, payload, options, callback) => call('PATCH', path, payload, options, callback),
    delete: (path, payload, options, callback) => call('DELETE', path, payload, options, callback),
  };
}

/** `platform.store`: each call is a promise. `ask(question)` gives one. */
function makeStore(ask) {
  return {
    get: async (key, otherwise = null) => (await ask({ ask: 'store.get', key: String(key) })) ?? otherwise,
    set: (key, value, ttl = null) => ask({ ask: 'store.set', key: String(key), value: value ?? null, ttl }),
    delete: (key) => ask({ ask: 'store.delete', key: String(key) }),
  };
}

/** Nested values under PHP's bracket names: {a: {b: 1}} is {'a[b]': '1'}. */
function flatten(values, prefix, flat = {}) {
  for (const [key, value] of Object.entries(values ?? {})) {
    const name = prefix === undefined ? key : `${prefix}[${key}]`;
    if (value instanceof Date) flat[name] = value.toISOString();
    else if (value !== null && typeof value === 'object') flatten(value, name, flat);
    else flat[name] = value === null || value === undefined ? '' : String(value);
  }
  return flat;
}

function bodyFields(payload) {
  if (payload === undefined || payload === null || payload === '') return {};
  if (payload instanceof Uint8Array) {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    return isUtf8(bytes) ? { body: bytes.toString() } : { body_base64: bytes.toString('base64') };
  }
  if (typeof payload === 'object') return { body: stringify(payload), content_type: 'application/json' };
  return { body: String(payload) };
}

// --- Libraries -------------------------------------------------------------------------------------------------------

/** `require` as scripts know it: by the names that they use, and with a plain word for what is not there. */
function makeRequire(find) {
  const require = (id) => {
    const name = Object.hasOwn(ALIASES, id) ? ALIASES[id] : id;
    try {
      return find(name);
    } catch (error) {
      // A module that misses another one says so by itself.
      if (error?.code !== 'MODULE_NOT_FOUND' || error.requireStack?.[0] !== __filename) throw error;
      const help = Object.hasOwn(PACKAGES, name)
        ? `it is not installed where scripts run (Debian package ${PACKAGES[name]})`
        : "only Node.js's own modules, and those that are installed where scripts run, can be required";
      error.message = `Cannot find module '${id}': ${help}`;
      error.requireStack = []; // paths of the machine
      throw error;
    }
  };
  return Object.assign(require, find, { main: undefined });
}

// --- Running a script ------------------------------------------------------------------------------------------------

/** The script as the body of a function (event, platform): `return` is legal, lines are the author's. */
function compiled(source, name) {
  return vm.compileFunction(source, ['event', 'platform'], {
    filename: name,
    importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
}

/** The event with its methods, which never show in its JSON. */
function equipped(event, state) {
  const hidden = (value) => ({ value, writable: true, configurable: true });
  return Object.defineProperties(event, {
    _event: hidden(event),
    setResponse: hidden((content, statusCode, contentType) => {
      if (event.response === null || typeof event.response !== 'object') event.response = {};
      event.response.content = content;
      event.response.status_code = statusCode || 200;
      event.response.content_type = contentType || 'application/json';
      state.isSaid = true;
    }),
    setReturn: hidden((content) => {
      state.returned = content;
      state.isSaid = true;
    }),
    setRequest: hidden((request) => {
      if (request) event.request = request;
      state.isSaid = true;
    }),
  });
}

/** What the original's wrapper left in sight of a script, and scripts have come to use. */
function surroundings(event, platform) {
  const { config, session } = platform;
  return {
    _event: event,
    _platform: platform,
    _protocol: config?.scripting?.default_protocol ?? 'http',
    _host: event.request?.headers?.host,
    _token: '', // a call needs none: it has the script's own session
    _sessionToken: session?.session_token ?? '',
    _apiKey: session?.api_key ?? '',
    _options: {},
  };
}

/** Starts a compiled script. `state` is complete when the event loop is empty; `fail` hears of a rejected promise. */
function run(script, job, api, ask, state, fail) {
  const event = equipped(job.event, state);
  const lookup = (name) => ask({ ask: 'lookup', key: String(name) });
  const platform = { ...job.platform, api, store: makeStore(ask), lookup };
  state.event = event;
  state.beforeService = event.stage === 'pre_process';
  Object.assign(globalThis, surroundings(event, platform));
  const returned = script(event, platform);
  state.isSaid = true;
  // The synchronous return overwrites what setReturn said until here, even where nothing is returned.
  state.returned = undefined;
  if (typeof returned?.then === 'function') {
    returned.then((value) => { if (value !== undefined) state.returned = value; }, fail);
  } else {
    state.returned = returned;
  }
}

/** RESULT's text; an error instead where the script left something that JSON can not hold. */
function encoded(state) {
  const { event, returned } = state;
  const result = {};
  const nothing = returned === event || Number.isNaN(returned) || typeof returned === 'symbol';
  if (!nothing) result.returned = returned; // undefined and functions leave no trace in JSON
  if (event.exception !== undefined) {
    result.exception = event.exception instanceof Error ? plain(event.exception) : event.exception;
  }
  result.response = event.response;
  if (event.stop_propagation) result.stop_propagation = true;
  if (state.beforeService || event.response === undefined) result.event = event;
  try {
    const text = stringify(result);
    // What is neither number nor text in JSON shows only there, so the common case needs no second look.
    if (text.includes('null')) stringify(result, refuseNonFinite);
    // JSON.stringify escapes a surrogate only where it stands alone.
    if (text.includes('\\ud') && /(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/.test(text)) {
      throw new TypeError('text with a lone surrogate');
    }
    return text;
  } catch (error) {
    const why = String(error?.message ?? error).split('\n')[0];
    const message = `The result can not be written as JSON: ${why}`;
    return stringify({ error: { kind: 'result', message, trace: [] } });
  }
}

function refuseNonFinite(key, value) {
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  throw new TypeError(`${key}: ${value} is not a number in JSON`);
}

function plain(error) {
  return { message: error.message, code: error.code, status_code: error.status_code };
}

/** A thrown value with the script's own frames only, the innermost first. */
function described(thrown, name, code) {
  const report = { kind: 'thrown', message: messageOf(thrown), trace: [] };
  if (code !== undefined) report.code = code;
  const stack = thrown?.stack;
  if (typeof stack !== 'string') return report;
  for (const line of stack.split('\n')) {
    const found = /^\s+at (?:(.*) \()?(.*):(\d+):(\d+)\)?$/.exec(line);
    if (!found || found[2] !== name || report.trace.length === TRACE_FRAMES) continue;
    const [, caller, , row, column] = found;
    if (!report.trace.length) Object.assign(report, { line: Number(row), column: Number(column) });
    const place = `${name}:${row}:${column}`;
    report.trace.push(caller ? `${caller} (${place})` : place);
  }
  return report;
}

function messageOf(thrown) {
  try {
    if (thrown !== null && typeof thrown === 'object') return String(thrown.message ?? stringify(thrown));
    return String(thrown);
  } catch {
    return 'An error without a message';
  }
}

/** V8 says where the source breaks in the stack's first lines: the place, the source line, and a caret below it. */
function syntaxError(error, name) {
  const report = { kind: 'syntax', message: messageOf(error), trace: [] };
  const [place, , caret] = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  const row = place?.startsWith(`${name}:`) && /:(\d+)$/.exec(place);
  if (row) report.line = Number(row[1]);
  if (row && caret?.trim().startsWith('^')) report.column = caret.indexOf('^') + 1;
  return report;
}

// --- The process -----------------------------------------------------------------------------------------------------

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

/** A number in `code` becomes the error's code; a text such as ENOENT counts as 0, as it does in the original. */
function codeOf(thrown) {
  const code = thrown?.code;
  if (code === undefined || code === null) return undefined;
  return Number.isSafeInteger(Number(code)) ? Number(code) : 0;
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
  process.exit = (code) => {
    queueUp();
    exit.call(process, code);
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
warmUp();
writeFrame(READY, '{}');
