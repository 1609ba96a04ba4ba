'use strict';
// What NODE_OPTIONS loads into every Node process of a container. It has to parse on old Nodes (ES5), must never throw,
// and does nothing at all where there is nothing to trace.
(function () {
  var MARK = Symbol.for('tracing.acme.agent');

  // Package managers, process watchers and build steps: children of theirs that are the app get the agent themselves.
  var TOOLS =
    /^(npm|npx|npm-cli|npx-cli|yarn|yarnpkg|yarn-\d.*|pnpm|pnpx|corepack|node-gyp|node-gyp-build|node-pre-gyp|prebuild-install|bun|lerna|nx|turbo|rush|husky|lint-staged|concurrently|npm-run-all|run-s|run-p|cross-env|dotenv|nodemon|forever|tsc|tsserver|vue-tsc|eslint|eslint_d|prettier|biome|stylelint|rollup|esbuild|swc|babel|webpack|webpack-cli|rspack|parcel|tsup|tsdown|unbuild|rimraf|mkdirp|shx|typedoc|pm2|pm2-runtime|pm2-dev|pm2-docker)$/;
  // Tools whose other commands are servers: only these words make them a build step.
  var BUILD_COMMANDS = {
    next: /^(build|lint|info|telemetry|typegen|upgrade)$/,
    nest: /^(build|new|n|generate|g|info|i|add|update|u)$/,
    vite: /^(build|optimize)$/,
    nuxt: /^(build|generate|prepare|typecheck)$/,
    nuxi: /^(build|generate|prepare|typecheck)$/,
    ng: /^(build|lint|new|generate|version)$/,
    prisma: /^(generate|migrate|db|format|validate|version)$/,
  };
  var QUESTIONS = /^(--version|-v|-V|--help|-h)$/;

  function say(line) {
    try {
      require('fs').writeSync(2, 'tracing-operator: ' + line + '\n');
    } catch (error) {
      return error; // stderr may be closed: then nobody listens
    }
  }

  function isTool(argv, execArgv) {
    if (execArgv.indexOf('--check') !== -1 || execArgv.indexOf('-c') !== -1) return true;
    var script = argv[1];
    if (!script) return false;
    var name = script.slice(Math.max(script.lastIndexOf('/'), script.lastIndexOf('\\')) + 1).replace(/\.[cm]?js$/, '');
    if (TOOLS.test(name)) return true;
    // .../node_modules/typescript/bin/tsc, .../node_modules/next/dist/bin/next
    var commands = Object.prototype.hasOwnProperty.call(BUILD_COMMANDS, name) && BUILD_COMMANDS[name];
    if (commands && argv[2] && commands.test(argv[2])) return true;
    return argv.length === 3 && QUESTIONS.test(argv[2]);
  }

  function isSupported(version) {
    var parts = version.split('.');
    var major = Number(parts[0]);
    var minor = Number(parts[1]);
    return major > 20 || (major === 20 && minor >= 6) || (major === 18 && minor >= 19);
  }

  /** Opens a file of named pieces: a line of JSON (name -> [offset, length]), then the pieces. */
  function openPack(file) {
    var fs = require('fs');
    var fd = fs.openSync(file, 'r');
    try {
      var head = Buffer.allocUnsafe(8192);
      var got = fs.readSync(fd, head, 0, head.length, 0);
      var end = head.indexOf(10);
      if (end === -1 || end >= got) throw new Error('no index in ' + file);
      var index = JSON.parse(head.latin1Slice(0, end));
    } finally {
      fs.closeSync(fd);
    }
    return function read(name) {
      var place = Object.prototype.hasOwnProperty.call(index, name) && index[name];
      if (!place) return undefined;
      var piece = Buffer.allocUnsafeSlow(place[1]);
      var from = fs.openSync(file, 'r');
      try {
        if (fs.readSync(from, piece, 0, place[1], end + 1 + place[0]) !== place[1])
          throw new Error(file + ' is cut off');
      } finally {
        fs.closeSync(from);
      }
      return piece;
    };
  }

  /** The compiled code that fits this very Node, if it was built. V8 refuses what does not fit its version and flags. */
  function openCache(directory) {
    try {
      return openPack(
        directory + '/v8-' + process.versions.v8 + '-' + process.platform + '-' + process.arch + '.cache',
      );
    } catch (error) {
      return function () {
        return error && undefined;
      };
    }
  }

  function start(directory) {
    var Script = require('vm').Script;
    var source = openPack(directory + '/agent.pack');
    var compiled = openCache(directory);
    function load(name, provide) {
      var text = source(name);
      if (text === undefined) throw new Error('no ' + name + ' in this agent');
      var script = new Script(text.latin1Slice(), {
        filename: directory + '/' + name + '.js',
        cachedData: compiled(name),
      });
      var module = { exports: {} };
      script.runInThisContext()(module.exports, provide, module);
      return module.exports;
    }
    return load('agent', require).start({ load: load, require: require });
  }

  try {
    if (!process.versions || !process.versions.node || process.env.TRACING_ACME_AGENT === 'off') return;
    // In a worker thread Node disables chdir; asking worker_threads itself would cost every process two milliseconds.
    if (globalThis[MARK] || (process.chdir && process.chdir.disabled)) return;
    var state = {};
    Object.defineProperty(globalThis, MARK, { value: state });
    if (isTool(process.argv, process.execArgv)) return;
    if (!isSupported(process.versions.node)) {
      say(
        'not tracing this process: Node ' + process.versions.node + ' is not supported (18.19+, 20.6+ or later needed)',
      );
      return;
    }
    state.agent = start(__dirname);
    // Not a module of the app: it should not find us among its own.
    delete require.cache[__filename];
  } catch (error) {
    say('not tracing this process: ' + ((error && error.message) || error));
  }
})();
