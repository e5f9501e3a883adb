// `platform.api` and `platform.store`.

const CURL_OPTION = /^(CURLOPT_\w+|\d+)$/i; // by name, or by PHP's number

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
