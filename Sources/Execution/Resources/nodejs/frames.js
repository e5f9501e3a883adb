// Frames: the length of a payload (u32, little-endian), its type (u8), and the payload, JSON in UTF-8.

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
