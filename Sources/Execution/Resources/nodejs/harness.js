'use strict';
// Runs one tenant's Node.js script.
//
// Started parked, with the job's frame socket as descriptor 3 and its log pipes as 1 and 2. It warms up, says READY,
// waits for one frame, runs or checks the script, sends RESULT when the event loop is empty, and exits; or says READY again
// where the job allows another one of the same script.
//
// The files beside this one follow it in one text, the order of which is in Sources/CHost/harness.c.

const fs = require('fs');
const net = require('net');
const vm = require('vm');
const { createRequire } = require('module');
const { createHook } = require('async_hooks');
const { Console } = require('console');
const { join } = require('path');
const { EventEmitter } = require('events');
const { Readable } = require('stream');
const { Buffer, isUtf8 } = require('buffer');
const process = require('process');

// With the argument `once` it serves its job with nothing done ahead: what a benchmark compares with.
const isOnce = process.argv[2] === 'once';
// Loaded for the scripts: a built-in module that was compiled before the job costs the job nothing.
if (!isOnce) for (const name of ['https', 'url', 'querystring', 'util', 'zlib']) require(name);

const FRAMES = 3;
const READY = 0, JOB = 1, API_REQUEST = 2, API_RESPONSE = 3, RESULT = 4, CHECK = 5;
const NO_NETWORK = 'A script has no network of its own: use platform.api';

// A script may replace globals; these, and what the harness needs afterwards is held here.
const { parse, stringify } = JSON;
const { closeSync, lstatSync, openSync, readdirSync, rmSync, writeSync } = fs;
const { clearImmediate, clearTimeout } = globalThis;
const { exit } = process;
const leave = process.reallyExit.bind(process);
const tick = process.nextTick;

