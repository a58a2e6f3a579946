// The demo's page: asks twice a second how things stand, shows it, and has one switch. All text from the network is
// set as text, never as markup.
"use strict";
(() => {
  const WORDS = {
    en: {
      demo: "demo", lost: "Katahai no longer answers. Has the demo been stopped?",
      headline: "Stop the shop’s server. The shop stays open.",
      intro: "A small shop runs on its own server. Katahai stands in front of it and has a copy of every page. Press the button, and the server dies at once. Its visitors keep reading.",
      step1: "Katahai takes a copy.", copy_none: "Taking the first copy…", copy: (s) => `${s.pages} pages and ${s.others} files, ${s.ago}`,
      step2: "Stop the server.", step2_small: "Keep clicking in the window “With Katahai”: pages that nobody has opened yet are there, too.",
      step3: "Start it again.", step3_small: "Katahai makes sure that it works, then lets visitors back to it.",
      visitors: "visitors", server: "server", server_is: "The shop’s server", visitors_get: "Its visitors get",
      running: "is running", stopped: "is dead", stop: "Stop the shop’s server", start: "Start it again", wait: "One moment…",
      failed_switch: "That did not work. Is the demo still running?",
      state: { unproven: "being checked", up: "the live site", degraded: "the live site, some pages from copies", down: "the copy", recovering: "the live site, coming back" },
      pulse: "Where visitors’ answers came from", bars: "Recent answers, the newest on the right",
      live: "live site", cache: "cache", stale: "copy, from the cache", snapshot: "copy, from the snapshot", copies: "copy", kept: "form kept", holding: "holding page", failed: "failed",
      home: "Home", products: "Products", events: "Events", signup: "Sign-up form",
      with: "With Katahai", without: "Without", dead: "This site cannot be reached", dead_small: "The server refused the connection.",
      log: "The last answers, and where they came from", page: "page", status: "status", from: "came from", took: "took",
      try: "Try this, too", try_form: "Stop the server and send the sign-up form: Katahai keeps it, says so plainly, and delivers it when the server is back.",
      signups: (s) => `Sign-ups: ${s.arrived} arrived at the shop${s.kept ? `, ${s.kept} kept by Katahai` : ""}`,
      try_curl: "Look at the header fields:", try_dashboard: "What the operator sees:", try_api: "What monitoring sees:",
      tally: (t) => `${t.over ? "It was dead" : "Dead"} for ${t.time}: ${t.good} of ${t.all} requests got their page`,
      fresh: "written just now", written: (ago) => `a copy, written ${ago}`, refused: "refused",
      ago: (n, unit) => `${n} ${{ s: "s", m: "min", h: "h" }[unit]} ago`,
    },
    ja: {
      demo: "デモ", lost: "Katahaiが応答していません。デモを終了しましたか。",
      headline: "店のサーバーを止めてみてください。店は閉まりません。",
      intro: "小さな店のサイトが、1台のサーバーで動いています。その手前にあるKatahaiは、すべてのページのコピーを取ってあります。ボタンを押すと、サーバーはその場で止まります。それでも、お客さまは読み続けられます。",
      step1: "Katahaiがコピーを取ります。", copy_none: "最初のコピーを取っています…", copy: (s) => `${s.pages}ページと${s.others}ファイル（${s.ago}）`,
      step2: "サーバーを止めます。", step2_small: "「Katahaiがあるとき」の画面で、そのままページを開いてみてください。まだ誰も開いていないページも見られます。",
      step3: "もう一度動かします。", step3_small: "Katahaiは、本当に直ったことを確かめてから、元のサイトに戻します。",
      visitors: "お客さま", server: "サーバー", server_is: "店のサーバー", visitors_get: "お客さまに届くもの",
      running: "動いています", stopped: "止まっています", stop: "店のサーバーを止める", start: "もう一度動かす", wait: "お待ちください…",
      failed_switch: "うまくいきませんでした。デモはまだ動いていますか。",
      state: { unproven: "確認中です", up: "元のサイト", degraded: "元のサイト（一部はコピー）", down: "コピー", recovering: "元のサイト（復帰中）" },
      pulse: "お客さまのリクエストへの応答", bars: "最近の応答。右がいちばん新しいものです",
      live: "元のサイト", cache: "キャッシュ", stale: "コピー（キャッシュ）", snapshot: "コピー（スナップショット）", copies: "コピー", kept: "フォームをお預かり", holding: "お知らせのページ", failed: "失敗",
      home: "ホーム", products: "商品", events: "催し", signup: "申し込み",
      with: "Katahaiがあるとき", without: "ないとき", dead: "このサイトにアクセスできません", dead_small: "サーバーが接続を拒否しました。",
      log: "最近の応答と、その取得元", page: "ページ", status: "ステータス", from: "取得元", took: "時間",
      try: "こちらもお試しください", try_form: "サーバーを止めたまま、申し込みを送ってみてください。Katahaiがお預かりして、そのことをはっきりお知らせし、サーバーが戻ったらお届けします。",
      signups: (s) => `申し込み：店に届いたもの${s.arrived}件${s.kept ? `、Katahaiがお預かりしているもの${s.kept}件` : ""}`,
      try_curl: "ヘッダーを見る：", try_dashboard: "運用担当者が見るもの：", try_api: "監視から見えるもの：",
      tally: (t) => `${t.over ? "停止していた時間は" : "停止から"}${t.time}。リクエスト${t.all}件中${t.good}件にページをお届け`,
      fresh: "いま作られたページ", written: (ago) => `コピー（${ago}のページ）`, refused: "接続できません",
      ago: (n, unit) => `${n}${{ s: "秒", m: "分", h: "時間" }[unit]}前`,
    },
  };
  const RUNGS = ["live", "cache", "stale", "snapshot", "kept", "holding", "failed"];
  const PAGES = ["/", "/products/", "/events/tasting", "/signup", "/en/", "/products/shudei-kyusu", "/news/"];
  // Nobody asks for these before the server is stopped: only the snapshot has them then.
  const UNOPENED = ["/products/seiji-chawan", "/en/events/painting", "/about", "/news/ten-years", "/en/access", "/en/products/mamezara"];
  const POLL_MS = 500, VISIT_MS = 1000, PATIENCE_MS = 4000, HISTORY = 240, ROWS = 10;
  const $ = (id) => document.getElementById(id);

  let language = remembered() ?? (navigator.language.toLowerCase().startsWith("ja") ? "ja" : "en");
  let words = WORDS[language];
  let visits = 0, kept = 0;
  let demo = null, status = null, busy = false, misses = 0;
  let history = [], seen = [], counted = 0, copying = false;
  let outage = null; // the last one: from when, until when, how many requests it had and how many got their page
  const frames = { edge: { path: "/", rendered: null }, origin: { path: "/", rendered: null } };

  function remembered() {
    try { const l = localStorage.getItem("language"); return WORDS[l] ? l : null; } catch { return null; }
  }

  function speak(next) {
    language = next;
    words = WORDS[next];
    try { localStorage.setItem("language", next); } catch { /* a private window: it is asked again next time */ }
    document.documentElement.lang = next;
    for (const el of document.querySelectorAll("[data-t]")) el.textContent = words[el.dataset.t];
    for (const el of document.querySelectorAll("[data-language]")) el.setAttribute("aria-pressed", String(el.dataset.language === next));
    $("bars").setAttribute("aria-label", words.bars);
    if (demo && spoken(frames.edge.path) !== frames.edge.path) go(spoken(frames.edge.path));
    show();
  }

  function ago(from) {
    const s = Math.max(0, (Date.now() - from) / 1000);
    if (s < 90) return words.ago(Math.round(s), "s");
    return s < 5400 ? words.ago(Math.round(s / 60), "m") : words.ago(Math.round(s / 3600), "h");
  }

  /** Which rung of the ladder an answer came from: RFC 9211 says it in Cache-Status. */
  function rung(answer) {
    const said = answer.cache_status ?? "";
    if (!answer.status) return "failed";
    if (/detail="?snapshot/.test(said)) return "snapshot";
    if (/detail="?kept/.test(said)) return "kept";
    if (/detail="?stale/.test(said)) return "stale";
    if (/;\s*hit\b/.test(said)) return "cache";
    if (answer.status === 503) return "holding";
    return answer.status >= 500 ? "failed" : "live";
  }

  async function ask(path) {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  async function poll() {
    try {
      const [d, s, f] = await Promise.all([ask("/demo/state"), ask("/api/v1/status"), ask("/api/v1/sites/demo/forms")]);
      const before = demo;
      demo = d;
      status = s.sites?.[0] ?? null;
      kept = f.forms.filter((form) => form.state !== "delivered").length;
      misses = 0;
      remember(d.recent ?? []);
      if (!before || before.origin.running !== d.origin.running) changed(!before);
      // The page in the left window is a copy until it is asked for again.
      const copies = copiesNow();
      if (copying && !copies && d.origin.running) load("edge", frames.edge.path);
      copying = copies;
    } catch (error) {
      misses += 1;
      console.debug(error);
    }
    show();
    setTimeout(poll, POLL_MS);
  }

  /**
   * Keeps answers over several polls. They come newest first, the last few dozen of them, without a number; what is
   * new is what stands before the part that was there at the last poll. Equal answers differ in their time.
   */
  function remember(recent) {
    const now = recent.slice().reverse();
    const same = (a, b) => a && b && a.ms === b.ms && a.path === b.path && a.cache_status === b.cache_status;
    let fresh = 0;
    while (fresh < now.length && !overlaps(now.length - fresh)) fresh += 1;
    seen = now;
    counted += fresh;
    if (outage && !outage.until) {
      outage.all += fresh;
      outage.good += now.slice(now.length - fresh).filter((r) => r.status && r.status < 500).length;
    }
    history = history.concat(now.slice(now.length - fresh).map((r, i) => ({ ...r, n: counted - fresh + i }))).slice(-HISTORY);

    function overlaps(length) {
      return seen.length >= length && now.slice(0, length).every((r, i) => same(r, seen[seen.length - length + i]));
    }
  }

  /** A visitor who never stops: one page a second, in turns. What comes back cannot be read here, and need not be. */
  function visit() {
    if (!demo) return;
    visits += 1;
    const pages = !demo.origin.running && visits % 2 ? UNOPENED : PAGES;
    const page = pages[Math.floor(visits / 2 + (pages === PAGES ? visits % 2 : 0)) % pages.length];
    fetch(at("edge", page), { mode: "no-cors", cache: "no-store" }).catch(console.debug);
  }

  function at(which, path) { return demo[which].url.replace(/\/$/, "") + path; }

  function changed(first) {
    if (!demo.origin.running) outage = { from: Date.now(), until: null, good: 0, all: 0 };
    else if (outage) outage.until = Date.now();
    if (first) {
      go(spoken("/"));
    } else {
      load("edge", frames.edge.path);
      load("origin", frames.edge.path);
    }
  }

  /** The shop has the same pages in both languages. */
  function spoken(path) {
    const bare = path.replace(/^\/en\//, "/");
    return language === "en" ? `/en${bare}` : bare;
  }

  function go(path) {
    load("edge", path);
    load("origin", path);
  }

  function load(which, path) {
    const frame = frames[which];
    frame.path = path;
    frame.rendered = null;
    const gone = which === "origin" && !demo.origin.running;
    // A frame that is told its own address again does nothing; an empty one in between makes it load.
    $(which).src = "about:blank";
    if (!gone) setTimeout(() => { $(which).src = at(which, path); }, 30);
    show();
  }

  function show() {
    $("lost").hidden = misses < 3;
    if (!demo) return;
    const running = demo.origin.running;
    document.body.dataset.origin = running ? "running" : "stopped";
    tell("origin-state", running ? words.running : words.stopped, running ? "live" : "failed");
    const state = status?.state ?? "unproven", copies = copiesNow();
    const text = copies ? words.state.down : (words.state[state] ?? state);
    tell("site-state", text, copies ? "snapshot" : state === "unproven" ? "" : "live");
    const button = $("switch");
    button.disabled = busy || misses > 2;
    button.textContent = busy ? words.wait : running ? words.stop : words.start;
    steps();
    tally();
    $("signups").textContent = demo && (demo.origin.signups || kept) ? words.signups({ arrived: demo.origin.signups, kept }) : "";
    bars();
    table();
    windows(running);
    $("curl").textContent = `curl -sI ${at("edge", spoken("/"))} | grep -iE 'cache-status|memento|age'`;
  }

  function tell(id, text, kind) {
    const el = $(id);
    if (el.textContent !== text) el.textContent = text;
    el.className = kind;
  }

  /** Between the server's death, or its return, and the check that notices it, the answers know more than the state. */
  function copiesNow() {
    const newest = history.length ? rung(history.at(-1)) : "live";
    const copy = newest === "stale" || newest === "snapshot" || newest === "holding";
    return status?.state === "down" || (copy && (copying || !demo.origin.running));
  }

  function steps() {
    const snapshot = status?.snapshot ?? null;
    if (snapshot) {
      const taken = typeof snapshot.taken_at === "number" ? snapshot.taken_at * 1000 : Date.parse(snapshot.taken_at);
      $("copy").textContent = words.copy({ pages: snapshot.pages, others: snapshot.files, ago: ago(taken) });
    } else {
      $("copy").textContent = words.copy_none;
    }
    mark("step-copy", snapshot ? "done" : "now");
    const over = outage?.until && status?.state === "up";
    mark("step-stop", outage ? "done" : snapshot ? "now" : "");
    mark("step-start", over ? "done" : outage ? "now" : "");
  }

  function mark(id, className) { $(id).className = className; }

  function tally() {
    if (!outage) { $("tally").textContent = ""; return; }
    const s = Math.floor(((outage.until ?? Date.now()) - outage.from) / 1000);
    const time = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
    $("tally").textContent = outage.all ? words.tally({ time, good: outage.good, all: outage.all, over: outage.until }) : "";
  }

  function bars() {
    const shown = history.slice(-Math.ceil($("bars").clientWidth / 12));
    $("bars").replaceChildren(...shown.map((answer) => {
      const bar = document.createElement("i");
      const kind = rung(answer);
      bar.className = kind === "stale" ? "snapshot" : kind;
      // 1 ms and 1 s must both be seen: the height grows with the logarithm.
      bar.style.height = `${Math.min(100, 30 + 18 * Math.log10(1 + Math.max(0, answer.ms ?? 0) * 4))}%`;
      bar.title = `${answer.path}  ${answer.status || "–"}  ${words[kind]}  ${duration(answer.ms)}`;
      return bar;
    }));
  }

  function duration(ms) { return typeof ms === "number" ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : ""; }

  function table() {
    $("log").replaceChildren(...history.slice(-ROWS).reverse().map((answer) => {
      const kind = rung(answer);
      const from = document.createElement("span");
      from.className = `from ${kind === "stale" ? "snapshot" : kind}`;
      from.textContent = words[kind];
      const said = document.createElement("code");
      said.textContent = answer.cache_status ?? "";
      const row = document.createElement("tr");
      for (const content of [decoded(answer.path), String(answer.status || "–"), from, duration(answer.ms), said]) {
        const cell = document.createElement("td");
        cell.append(content);
        row.append(cell);
      }
      return row;
    }));
  }

  function decoded(path) { try { return decodeURI(path); } catch { return path; } }

  function windows(running) {
    $("dead").hidden = running;
    for (const which of ["edge", "origin"]) {
      const url = at(which, frames[which].path);
      $(`${which}-address`).textContent = decoded(url);
      $(`${which}-address`).href = url;
    }
    age("edge", $("edge-age"));
    if (running) age("origin", $("origin-age"));
    else { $("origin-age").textContent = words.refused; $("origin-age").className = "badge failed"; }
    for (const tab of $("tabs").children) tab.setAttribute("aria-pressed", String(spoken(tab.dataset.path) === frames.edge.path));
  }

  /** Whether the page in a frame was written for this visit, or long before it: the page itself says when. */
  function age(which, el) {
    const { rendered, arrived } = frames[which];
    if (!rendered) { el.textContent = ""; return; }
    const live = demo.origin.running && arrived - rendered < 1500;
    el.textContent = live ? words.fresh : words.written(ago(rendered));
    el.className = `badge ${live ? "live" : "snapshot"}`;
  }

  window.addEventListener("message", (event) => {
    const shop = event.data?.shop;
    if (!shop || typeof shop.path !== "string" || !shop.path.startsWith("/")) return;
    for (const which of ["edge", "origin"]) {
      if (event.source === $(which).contentWindow) {
        frames[which] = { path: shop.path, rendered: Number(shop.rendered), arrived: Number(shop.arrived) };
        show();
      }
    }
  });

  $("switch").addEventListener("click", async () => {
    if (busy || !demo) return;
    busy = true;
    show();
    try {
      const answer = await fetch("/demo/origin", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ running: !demo.origin.running }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const before = demo.origin.running;
      demo = await ask("/demo/state");
      remember(demo.recent ?? []);
      if (demo.origin.running !== before) changed(false);
    } catch (error) {
      console.debug(error);
      $("tally").textContent = words.failed_switch;
    }
    busy = false;
    show();
  });
  for (const el of document.querySelectorAll("[data-language]")) el.addEventListener("click", () => speak(el.dataset.language));
  for (const tab of $("tabs").children) tab.addEventListener("click", () => { if (demo) go(spoken(tab.dataset.path)); });

  // `RUNGS` is the legend's order; a rung without words would show as nothing.
  for (const kind of RUNGS) for (const l of Object.keys(WORDS)) console.assert(WORDS[l][kind], `${l}: ${kind}`);
  speak(language);
  poll();
  setInterval(visit, VISIT_MS);
})();
