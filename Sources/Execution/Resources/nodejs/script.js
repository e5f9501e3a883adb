// A script between its job and its result.

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
    state.isPending = true;
    returned.then((value) => {
      state.isPending = false;
      if (value !== undefined) state.returned = value;
    }, fail);
  } else {
    state.returned = returned;
  }
}

/** RESULT's text; an error instead where the script left something that JSON can not hold. */
function encoded(state) {
  const { event, returned } = state;
  const result = {};
  try {
    const nothing = returned === event || Number.isNaN(returned) || typeof returned === 'symbol';
    if (!nothing) result.returned = returned; // undefined and functions leave no trace in JSON
    if (event.exception !== undefined) {
      result.exception = event.exception instanceof Error ? plain(event.exception) : event.exception;
    }
    result.response = event.response;
    if (event.stop_propagation) result.stop_propagation = true;
    if (state.beforeService || event.response === undefined) result.event = event;
    const text = written(result);
    // What is neither number nor text in JSON shows only there, so the common case needs no second look.
    if (text.includes('null')) stringify(result, refuseNonFinite);
    return text;
  } catch (error) {
    const why = String(error?.message ?? error).split('\n')[0];
    const message = `The result can not be written as JSON: ${why}`;
    return stringify({ error: { kind: 'result', message, trace: [] } });
  }
}

// JSON.stringify escapes a surrogate only where it stands alone, and then no text holds it.
const LONE = /(?<=(?:^|[^\\])(?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g;

/** JSON of what the script has made. */
function written(value) {
  const text = stringify(value);
  if (text.includes('\\ud') && text.search(LONE) >= 0) throw new TypeError('text with a lone surrogate');
  return text;
}

function refuseNonFinite(key, value) {
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  throw new TypeError(`${key}: ${value} is not a number in JSON`);
}

function plain(error) {
  return { message: error.message, code: error.code, status_code: error.status_code };
}
