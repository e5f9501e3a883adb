// What went wrong, as the script's author sees it.

const TRACE_FRAMES = 32;

/** The kinds of errors that a limit has caused, by their code. */
const LIMITS = new Map([
  ['ENOSPC', 'files'], ['EFBIG', 'files'], ['ENOMEM', 'memory'], ['ERR_MEMORY_ALLOCATION_FAILED', 'memory'],
]);

function kindOf(thrown) {
  try {
    if (thrown instanceof RangeError && thrown.message === 'Array buffer allocation failed') return 'memory';
    return LIMITS.get(thrown?.code) ?? (isRefusedProcess(thrown) ? 'processes' : 'thrown');
  } catch {
    return 'thrown';
  }
}

/** What refuses a process or a thread has a number that other things have as well. */
function isRefusedProcess(thrown) {
  return thrown?.code === 'EAGAIN' ? String(thrown.syscall).startsWith('spawn')
    : thrown?.code === 'ERR_WORKER_INIT_FAILED' && thrown.message === 'EAGAIN';
}

/** A thrown value with the script's own frames only, the innermost first. */
function described(thrown, name, code) {
  const report = { kind: kindOf(thrown), message: messageOf(thrown), trace: [] };
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

/** A number in `code` becomes the error's code; a text such as ENOENT counts as 0, as it does in the original. */
function codeOf(thrown) {
  const code = thrown?.code;
  if (code === undefined || code === null) return undefined;
  return Number.isSafeInteger(Number(code)) ? Number(code) : 0;
}
