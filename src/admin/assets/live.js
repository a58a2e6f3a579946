// News as it happens; polling while the connection is away.

const POLL_MS = 2000, BUSY_MS = 1000, QUIET_MS = 15000, SETTLE_MS = 250, AGAIN_MS = 30000;
const NEWS = ["state", "mode", "snapshot", "condition-begins", "condition-ends", "incident-opened", "incident-reopened", "incident-updated", "incident-closed", "resync"];

export class Live {
  /** `look` is asked to read everything anew. */
  constructor(look) {
    Object.assign(this, { look, source: null, connected: false, timer: null, notBefore: 0 });
  }

  /** Looks again after a while: soon if something moves, late if news come by themselves. */
  next(busy) {
    this.listen();
    clearTimeout(this.timer);
    this.timer = setTimeout(this.look, busy ? BUSY_MS : this.connected ? QUIET_MS : POLL_MS);
  }

  listen() {
    if (this.source || Date.now() < this.notBefore) return;
    const source = new EventSource("/api/v1/events");
    this.source = source;
    source.onopen = () => { this.connected = true; };
    source.onerror = () => {
      this.connected = false;
      if (source.readyState === EventSource.CLOSED) {
        // an answer that is no stream (all seats taken, a proxy's error page): the browser does not ask again by itself
        this.close();
        this.notBefore = Date.now() + AGAIN_MS;
      }
      this.soon();
    };
    for (const name of [...NEWS, "message"]) source.addEventListener(name, () => this.soon());
  }

  /** Several pieces of news that come together are one look. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.look, SETTLE_MS);
  }

  close() {
    this.source?.close();
    this.source = null;
    this.connected = false;
  }

  stop() {
    this.close();
    this.notBefore = 0;
    clearTimeout(this.timer);
  }
}
