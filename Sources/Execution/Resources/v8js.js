'use strict';
// Runs one tenant's script as DreamFactory's V8js engine did: JavaScript in a bare context, without anything of Node's,
// whose calls of the platform wait for their answers.
//
// Started parked, with the job's frame socket as descriptor 3 and its log pipes as 1 and 2. It warms up, says READY, waits
// for one frame, runs or checks the script, sends RESULT and leaves. Nothing here ever comes back to the event loop.

const fs = require('fs');
const vm = require('vm');
const path = require('path');
const process = require('process');
const { Buffer } = require('buffer');

const FRAMES = 3;
const READY = 0, JOB = 1, API_REQUEST = 2, API_RESPONSE = 3, RESULT = 4, CHECK = 5;
const TRACE_FRAMES = 32;
// Where libraries are looked for.
const FOLDERS = (process.env.NODE_PATH ?? '').split(':').filter((folder) => folder !== '');

const leave = process.reallyExit.bind(process);
const idle = new Int32Array(new SharedArrayBuffer(4));

// --- Frames ----------------------------------------------------------------------------------------------------------

function writeAll(descriptor, bytes) {
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += fs.writeSync(descriptor, bytes, sent);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(idle, 0, 0, 1); // the pipe is full: the worker is reading
    }
  }
}

function writeFrame(type, payload) {
  const head = Buffer.alloc(5);
  const body = Buffer.from(payload);
  head.writeUInt32LE(body.length, 0);
  head[4] = type;
  writeAll(FRAMES, Buffer.concat([head, body]));
}

function readExactly(count) {
  const bytes = Buffer.alloc(count);
  for (let held = 0; held < count;) {
    let some = 0;
    try {
      some = fs.readSync(FRAMES, bytes, held, count - held, null);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(idle, 0, 0, 1);
      continue;
    }
    if (some === 0) leave(70); // the worker has gone
    held += some;
  }
  return bytes;
}

function readFrame() {
  const head = readExactly(5);
  return { type: head[4], payload: readExactly(head.readUInt32LE(0)).toString() };
}

// --- The other side of the bridge ------------------------------------------------------------------------------------

/** What the script's world asks of this one. Texts come in and texts go out: an object of this world would lead into it. */
const doors = {
  exchange(request) {
    writeFrame(API_REQUEST, request);
    const { type, payload } = readFrame();
    if (type !== API_RESPONSE) leave(70);
    const reply = JSON.parse(payload);
    if (!('body_base64' in reply)) return payload;
    const body = Buffer.from(reply.body_base64, 'base64').toString();
    return JSON.stringify({ ...reply, body, body_base64: undefined });
  },
  print(text) {
    writeAll(1, Buffer.from(text));
    return '';
  },
  sleep(seconds) {
    const time = Number(seconds) * 1000;
    if (time > 0) Atomics.wait(idle, 0, 0, time);
    return '';
  },
  leave() { leave(0); },
  lodash() {
    for (const folder of FOLDERS) {
      for (const file of ['lodash/lodash.min.js', 'lodash/lodash.js', 'lodash.js']) {
        try {
          return fs.readFileSync(path.join(folder, file), 'utf8');
        } catch {} // the next place
      }
    }
    return '';
  },
};

/** Never throws: an error of this world's would be a way into it. */
function bridge(door, text) {
  try {
    return doors[door](text);
  } catch {
    return undefined;
  }
}

// --- The script's world ----------------------------------------------------------------------------------------------

/** Is compiled in the script's context, so that every object that it makes is of that world. */
function world(bridge, compile) {
  'use strict';
  const { parse, stringify } = JSON;
  const { isFinite, isNaN } = Number;
  const text = String;
  const failure = Error;
  const typeError = TypeError;
  const { keys, entries } = Object;
  const { isArray } = Array;
  // JSON escapes a surrogate only where it stands alone, and then no text holds it.
  const lone = /(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/;

  function through(door, value) {
    const answer = bridge(door, value);
    if (typeof answer !== 'string') throw new failure('The platform could not be asked');
    return answer;
  }

  function written(value) {
    const json = stringify(value);
    if (lone.test(json)) throw new typeError('text with a lone surrogate');
    return json;
  }

  function print(...values) {
    through('print', `${values.map((value) => shown(value)).join(' ')}\n`);
  }

  function shown(value) {
    if (value === null || typeof value !== 'object') return text(value);
    try {
      return stringify(value);
    } catch {
      return text(value);
    }
  }

  /** As PHP prints it, whose function scripts know it from. */
  function dump(value, indent, seen) {
    const inner = `${indent}  `;
    if (value === null || value === undefined) return `${indent}NULL\n`;
    if (typeof value === 'boolean') return `${indent}bool(${value})\n`;
    if (typeof value === 'number') return `${indent}${value % 1 === 0 ? 'int' : 'float'}(${value})\n`;
    if (typeof value === 'string') return `${indent}string(${value.length}) "${value}"\n`;
    if (typeof value === 'function') return `${indent}object(Closure) {\n${indent}}\n`;
    if (typeof value !== 'object') return `${indent}${text(value)}\n`;
    if (seen.includes(value)) return `${indent}*RECURSION*\n`;
    const names = keys(value);
    const lines = names.map((name) => {
      const key = isArray(value) ? name : `"${name}"`;
      return `${inner}[${key}]=>\n${dump(value[name], inner, [...seen, value])}`;
    });
    const kind = isArray(value) ? 'array' : 'object(Object)';
    return `${indent}${kind}(${names.length}) {\n${lines.join('')}${indent}}\n`;
  }

  /** Nested values under PHP's bracket names: {a: {b: 1}} is {'a[b]': '1'}. */
  function flatten(values, prefix, flat) {
    for (const [key, value] of entries(values ?? {})) {
      const name = prefix === undefined ? key : `${prefix}[${key}]`;
      if (value !== null && typeof value === 'object') flatten(value, name, flat);
      else flat[name] = value === null || value === undefined ? '' : text(value);
    }
    return flat;
  }

  let count = 0;

  function ask(question) {
    const reply = parse(through('exchange', written({ id: ++count, ...question })));
    if ('refused' in reply) throw new failure(reply.refused);
    return reply.value;
  }

  function call(verb, path, payload, options) {
    const given = options ?? {};
    const request = {
      id: ++count,
      verb: text(verb).toUpperCase(),
      path: text(path),
      headers: flatten(given.headers, undefined, {}),
      parameters: flatten(given.parameters, undefined, {}),
    };
    const curl = entries(given).filter(([name]) => /^(CURLOPT_\w+|\d+)$/i.test(name)); // by name, or by PHP's number
    if (curl.length) request.options = Object.fromEntries(curl);
    if (payload !== undefined && payload !== null && payload !== '') {
      if (typeof payload === 'object') {
        request.body = stringify(payload);
        request.content_type = 'application/json';
      } else {
        request.body = text(payload);
      }
    }
    return result(parse(through('exchange', written(request))));
  }

  function result({ status, headers, body }) {
    const type = headers?.['content-type'] ?? null;
    let format = 0;
    let content = body === '' || body === undefined ? null : body;
    if (type !== null && type.includes('json')) {
      format = 1;
      try {
        if (content !== null) content = parse(content);
      } catch {} // it stays a text
    } else if (type !== null) {
      format = type.includes('xml') ? 2 : type.includes('csv') ? 3 : type.includes('text/plain') ? 8 : 0;
    }
    return { status_code: status, content, content_type: type, format, headers: headers ?? {} };
  }

  const api = {
    call,
    get: (path, payload, options) => call('GET', path, payload, options),
    post: (path, payload, options) => call('POST', path, payload, options),
    put: (path, payload, options) => call('PUT', path, payload, options),
    patch: (path, payload, options) => call('PATCH', path, payload, options),
    delete: (path, payload, options) => call('DELETE', path, payload, options),
  };
  const store = {
    get: (key, otherwise = null) => ask({ ask: 'store.get', key: text(key) }) ?? otherwise,
    set: (key, value, ttl = null) => ask({ ask: 'store.set', key: text(key), value: value ?? null, ttl }),
    delete: (key) => ask({ ask: 'store.delete', key: text(key) }),
  };

  let lodash;

  function require(name) {
    if (!['lodash', 'lodash.js', 'lodash.min.js'].includes(name)) {
      throw new failure(`Cannot find module '${name}': a v8js script has lodash only; type nodejs has more`);
    }
    if (lodash === undefined) {
      const source = through('lodash', '');
      if (source === '') throw new failure('lodash is not installed here: install the Debian package node-lodash');
      const module = { exports: {} };
      const load = compile(source);
      if (typeof load !== 'function') throw new failure('lodash can not be loaded');
      load(module, module.exports);
      lodash = module.exports;
      lodash._ = lodash;
    }
    return lodash;
  }

  function sleep(seconds) {
    through('sleep', text(seconds));
  }

  function exit() {
    through('leave', '');
  }

  for (const [name, value] of entries({
    print, sleep, exit, require, var_dump: (...values) => values.forEach((value) => through('print', dump(value, '', []))),
    console: { log: print, info: print, debug: print, warn: print, error: print },
  })) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }

  function message(thrown) {
    try {
      if (thrown !== null && typeof thrown === 'object') return text(thrown.message ?? stringify(thrown));
      return text(thrown);
    } catch {
      return 'An error without a message';
    }
  }

  function plain(thrown) {
    return thrown instanceof failure
      ? { message: thrown.message, code: thrown.code, status_code: thrown.status_code } : thrown;
  }

  function finite(key, value) {
    if (typeof value !== 'number' || isFinite(value)) return value;
    throw new typeError(`${key}: ${value} is not a number in JSON`);
  }

  /** Runs a compiled script. Gives a RESULT's text, or `{thrown: {message, code, stack}}`. */
  return function run(script, jobText) {
    const job = parse(jobText);
    const event = job.event;
    const platform = { ...job.platform, api, store, lookup: (name) => ask({ ask: 'lookup', key: text(name) }) };
    globalThis._event = event;
    globalThis._platform = platform;
    const stage = event.stage;
    let returned;
    try {
      returned = script(event, platform);
    } catch (thrown) {
      let stack, code;
      try {
        stack = thrown?.stack;
        code = thrown?.code;
      } catch {} // a getter of the script's own
      const isNumber = typeof code === 'number' && isFinite(code);
      return stringify({
        thrown: {
          message: message(thrown), stack: typeof stack === 'string' ? stack : '',
          code: code === undefined || code === null ? undefined : isNumber ? code : 0,
        },
      });
    }
    const result = {};
    try {
      if (returned !== event && !isNaN(returned) && typeof returned !== 'symbol') result.returned = returned;
      if (event.exception !== undefined) result.exception = plain(event.exception);
      result.response = event.response;
      if (event.stop_propagation) result.stop_propagation = true;
      if (stage === 'pre_process' || event.response === undefined) result.event = event;
      const whole = written(result);
      // What is neither number nor text in JSON shows only there, so the common case needs no second look.
      if (whole.includes('null')) stringify(result, finite);
      return whole;
    } catch (error) {
      const why = message(error).split('\n')[0];
      return stringify({ error: { kind: 'result', message: `The result can not be written as JSON: ${why}`, trace: [] } });
    }
  };
}

function makeWorld() {
  const context = vm.createContext(Object.create(null), { codeGeneration: { strings: true, wasm: false } });
  // The words of JavaScript itself, and no more.
  vm.runInContext('delete globalThis.WebAssembly; delete globalThis.SharedArrayBuffer; delete globalThis.Atomics;', context);
  const compile = (source) => {
    try {
      return vm.compileFunction(source, ['module', 'exports'], { parsingContext: context });
    } catch {
      return undefined;
    }
  };
  return { context, run: vm.runInContext(`(${world})`, context)(bridge, compile) };
}

function compiled(source, name, context) {
  return vm.compileFunction(source, ['event', 'platform'], { filename: name, parsingContext: context });
}

// --- Reports ---------------------------------------------------------------------------------------------------------

/** A thrown value with the script's own frames only, the innermost first. */
function described({ message, code, stack }, name) {
  const report = { kind: 'thrown', message, trace: [] };
  if (code !== undefined) report.code = code;
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

/** V8 says where the source breaks in the stack's first lines: the place, the source line, and a caret below it. */
function syntaxError(error, name) {
  const report = { kind: 'syntax', message: String(error.message), trace: [] };
  const [place, , caret] = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  const row = place?.startsWith(`${name}:`) && /:(\d+)$/.exec(place);
  if (row) report.line = Number(row[1]);
  if (row && caret?.trim().startsWith('^')) report.column = caret.indexOf('^') + 1;
  return report;
}

// --- The process -----------------------------------------------------------------------------------------------------

const LONE = /(?<=(?:^|[^\\])(?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g;

/** RESULT's text from what the script's world says, which may be anything. */
function outcome(text, name) {
  const thrown = JSON.parse(text)?.thrown;
  return thrown === undefined ? text : JSON.stringify({ error: described(thrown, name) }).replace(LONE, '\ufffd');
}

const { context, run } = makeWorld();
// With the argument `once` it serves its job with nothing done ahead: what a benchmark compares with.
if (process.argv[2] !== 'once') {
  // What a job goes through has been gone through once.
  const warm = JSON.stringify({ event: { a: [1, null], response: {} }, platform: { session: {} } });
  outcome(run(compiled('const f = (x) => ({ a: x.a }); return f(event);', 'warm', context), warm), 'warm');
}
writeFrame(READY, '{}');

const { type, payload } = readFrame();
const { name, source } = JSON.parse(payload);
let script;
try {
  script = compiled(source, name, context);
} catch (error) {
  writeFrame(RESULT, JSON.stringify({ error: syntaxError(error, name) }));
  leave(0);
}
let text = '{}';
try {
  if (type === JOB) text = outcome(run(script, payload), name);
} catch {
  leave(70); // the script has spoilt what would tell of it
}
writeFrame(RESULT, text);
leave(0);
