// What scripts require.

// What scripts call a library, and its name where it is not that.
const ALIASES = { 'lodash.min.js': 'lodash' };
// The Debian packages of libraries that scripts expect.
const PACKAGES = { lodash: 'node-lodash', async: 'node-async' };

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
