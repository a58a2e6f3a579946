// Drives the dashboard's live.js without a browser: node live.mjs live.js
import assert from "node:assert";
import { readFileSync } from "node:fs";

const streams = [], timers = new Map();
let clock = 0, number = 0, looks = 0;
globalThis.EventSource = class {
  static CLOSED = 2;
  constructor() { this.readyState = 0; streams.push(this); }
  addEventListener() {}
  close() { this.readyState = 2; }
};
globalThis.setTimeout = (act, ms) => { timers.set(++number, [act, clock + ms]); return number; };
globalThis.clearTimeout = (timer) => timers.delete(timer);
Date.now = () => clock;

function pass(ms) {
  const end = clock + ms;
  for (;;) {
    const [due] = [...timers].filter(([, [, at]]) => at <= end).sort((one, other) => one[1][1] - other[1][1]);
    if (!due) break;
    timers.delete(due[0]);
    clock = due[1][1];
    due[1][0]();
  }
  clock = end;
}

const { Live } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(process.argv[2], "utf8"))}`);
const live = new Live(() => { looks += 1; live.next(false); });
live.next(false);
assert.equal(streams.length, 1);

// an answer that is no stream: the browser gives up, the page does not
streams[0].readyState = 2;
streams[0].onerror();
pass(20_000);
assert.ok(looks >= 9, `it goes on looking: ${looks}`);
assert.equal(streams.length, 1, "no second stream at once");
pass(15_000);
assert.equal(streams.length, 2, "but after a while");

// news come by themselves
streams[1].onopen();
pass(5_000);
looks = 0;
pass(30_000);
assert.ok(looks <= 3, `few looks: ${looks}`);

// signed out
live.stop();
looks = 0;
pass(60_000);
assert.equal(looks, 0);
