// Between two jobs of one process: what the first has left at work would meddle with the second.
//
// What a script keeps in globals and modules stays: that is what its author has asked for. All that runs by itself ends,
// and where that can not be made sure of, so does the process.

// What can wake up again although the event loop is empty, since it does not count there; timers have their own list.
const LASTING = new Set([
  'FSEVENTWRAP', 'HTTP2SESSION', 'MESSAGEPORT', 'PIPEWRAP', 'PIPESERVERWRAP', 'PROCESSWRAP', 'SIGNALWRAP',
  'STATWATCHER', 'TCPWRAP', 'TCPSERVERWRAP', 'TTYWRAP', 'UDPWRAP', 'WORKER',
]);
// Where a script can leave files beside its own folder.
const SHARED = ['/dev/shm', '/var/tmp'];
const MANY_TIMERS = 1000;

/** Watches what the jobs of this process leave behind. */
class Tidiness {
  constructor() {
    this.home = process.cwd();
    this.folder = process.env.TMPDIR;
    this.timers = [];
    this.isSpoilt = false;
    this.listeners = listeners();
    this.descriptor = freeDescriptor();
    this.shared = sharedFiles();
    createHook({ init: (id, type, trigger, resource) => this.see(type, resource) }).enable();
  }

  see(type, resource) {
    if (type === 'Timeout' || type === 'Immediate') {
      this.timers.push(resource);
      if (this.timers.length % MANY_TIMERS === 0) this.timers = this.timers.filter((timer) => !timer._destroyed);
    } else if (LASTING.has(type)) {
      this.isSpoilt = true;
    }
  }

  /** Ends what the job has left; false where the process must end. */
  restore() {
    try {
      for (const timer of this.timers) {
        clearTimeout(timer);
        clearImmediate(timer);
      }
      this.timers = [];
      if (this.isSpoilt || process.exitCode !== undefined || listeners() !== this.listeners) return false;
      if (freeDescriptor() !== this.descriptor) return false; // a file that is still open, or one of ours closed
      process.chdir(this.home);
      for (const name of readdirSync(this.folder)) rmSync(join(this.folder, name), { recursive: true, force: true });
      return sharedFiles() === this.shared;
    } catch {
      return false;
    }
  }
}

/** Undefined where the surroundings do not let it look: then the process serves one job. */
function beginTidiness() {
  try {
    return new Tidiness();
  } catch {
    return undefined;
  }
}

/** Who listens to the process and its streams, as a text. */
function listeners() {
  const count = (emitter) => emitter.eventNames().map((name) => `${String(name)} ${emitter.listenerCount(name)}`);
  return [process, process.stdout, process.stderr].map((emitter) => count(emitter).sort().join()).join(';');
}

/** The lowest number that a file would get. */
function freeDescriptor() {
  const descriptor = openSync('/dev/null', 'r');
  closeSync(descriptor);
  return descriptor;
}

/** What scripts' user has in the folders that are not the job's own, as a text. */
function sharedFiles() {
  const own = process.getuid();
  return SHARED.map((folder) => {
    let names = [];
    try {
      names = readdirSync(folder);
    } catch {} // there is none here
    return names.filter((name) => lstatSync(join(folder, name), { throwIfNoEntry: false })?.uid === own).sort().join('/');
  }).join('//');
}
