"""The look of a report: system fonts, two palettes, one column on a phone."""

STYLE = """
:root { color-scheme: light dark; --paper: #faf9f6; --sheet: #fff; --ink: #1e2428; --soft: #59636b; --line: #dcdfe0;
  --link: #0f5f8c; --tone: #e8eff3; --good: #1c7a45; --fair: #8a5a00; --poor: #b3261e; --unmeasured: #59636b; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181b; --sheet: #1c2226; --ink: #e6e9ea; --soft: #a2adb4;
  --line: #343d43; --link: #86c5ec; --tone: #22303a; --good: #6fd49a; --fair: #eebc5c; --poor: #ff9d93;
  --unmeasured: #a2adb4; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 74rem; padding: clamp(1rem, 3vw, 3rem); background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; margin: 0; font-weight: 650; }
h1 { font-size: clamp(1.75rem, 1.1rem + 3vw, 3.1rem); max-width: 22ch; letter-spacing: -.015em; }
h2 { font-size: clamp(1.3rem, 1.1rem + 1vw, 1.8rem); margin-bottom: 1rem; letter-spacing: -.01em; }
h3 { font-size: 1.08rem; }
p { margin: .4rem 0; max-width: 68ch; }
a { color: var(--link); text-underline-offset: .15em; }
a:focus-visible, video:focus-visible { outline: 3px solid var(--link); outline-offset: 3px; border-radius: 3px; }
img, video { display: block; max-width: 100%; height: auto; border-radius: 8px; background: var(--tone); }
figure { margin: 0; }
figcaption, .of, .run { color: var(--soft); font-size: .9rem; line-height: 1.45; }
figcaption { margin-top: .4rem; }
ul, ol { list-style: none; margin: 0; padding: 0; }
section { margin-top: clamp(2.5rem, 6vw, 4.5rem); scroll-margin-top: 1rem; }
.skip, .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.skip:focus { position: static; width: auto; height: auto; clip-path: none; }
.run { margin: 0 0 .6rem; }
.lead { font-size: clamp(1.1rem, 1rem + .6vw, 1.35rem); line-height: 1.5; max-width: 58ch; margin: 1rem 0; }
.top { display: grid; gap: 1rem clamp(1.5rem, 4vw, 4rem); align-items: center;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1.15fr); }
.film video, .film img { width: 100%; max-height: 80vh; object-fit: contain; }
nav { margin-top: 1.6rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; font-size: .95rem; }

.strip { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1.5rem; }
.strip li { display: flex; align-items: center; gap: .5rem; }
.strip li + li::before { content: "\\2192" / ""; color: var(--soft); }
.strip a { padding: .2rem .8rem; border-radius: 99px; background: var(--tone); color: var(--ink);
  text-decoration: none; }
.strip a:hover { text-decoration: underline; }
.stage { background: var(--sheet); border: 1px solid var(--line); border-radius: 14px; scroll-margin-top: 1rem;
  padding: clamp(1rem, 2.5vw, 1.6rem); margin-top: 1rem; }
.number { display: inline-block; min-width: 1.7em; height: 1.7em; line-height: 1.7em; margin-right: .3rem;
  border-radius: 99px;
  background: var(--ink); color: var(--paper); text-align: center; font-size: .85em; }
.flow { display: flex; align-items: center; gap: 1rem; margin-top: 1rem; }
.takes, .gives { display: grid; gap: 1rem; align-items: start; min-width: 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 8.5rem), 1fr)); }
.takes { flex: 1 1 0; max-width: 16rem; }
.gives { flex: 2.4 1 0; }
.takes figure, .gives figure { max-width: 18rem; }
.takes img, .gives img { width: 100%; outline: 1px solid var(--line); outline-offset: -1px; }
.model { flex: 0 0 12rem; padding: .8rem; border-radius: 10px; background: var(--tone); text-align: center;
  line-height: 1.35; }
.model span { display: block; }
.what { font-weight: 600; }
.seconds { margin-top: .25rem; font-size: .9rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.arrow { flex: none; width: 1.6rem; height: 2px; background: var(--soft); position: relative; }
.arrow::after { content: ""; position: absolute; right: 0; top: -4px; width: 8px; height: 8px; rotate: 45deg;
  border: solid var(--soft); border-width: 2px 2px 0 0; }

.circle { display: grid; grid-template-columns: minmax(0, 26rem) minmax(0, 1fr); gap: clamp(1.5rem, 4vw, 3.5rem);
  align-items: center; }
.ring { display: block; width: 100%; height: auto; }
.ring text { fill: var(--soft); font-size: 13px; text-anchor: middle; }
.ring .share { fill: var(--ink); font-size: 24px; font-weight: 650; }
.track { fill: none; stroke: var(--tone); }
.tick { stroke: var(--soft); stroke-width: 1.5; }
.legend li { display: flex; gap: .7rem; margin: .6rem 0; }
.swatch { flex: none; width: .85em; height: .85em; margin: .4em .35em 0 0; border-radius: 3px; }
th .swatch { margin: 0 .4em 0 0; vertical-align: -.05em; }

table { border-collapse: collapse; width: 100%; margin-top: 1rem; font-size: .97rem; }
th, td { text-align: left; font-weight: inherit; padding: .5rem .6rem .5rem 0; border-top: 1px solid var(--line);
  vertical-align: top; }
thead th { color: var(--soft); font-size: .88rem; border-top: 0; }
tfoot th, tfoot td, .shares tbody tr:last-child > * { font-weight: 650; }
.shares td, .times td { font-variant-numeric: tabular-nums; }
.times td:nth-child(2) { white-space: nowrap; }
.bar { width: 50%; vertical-align: middle; }
.bar svg { display: block; width: 100%; height: .8rem; }
.bar rect { fill: var(--link); }

.verdict { font-size: 1.15rem; padding: 1rem 1.2rem; border-left: 4px solid var(--link); background: var(--tone);
  border-radius: 0 10px 10px 0; max-width: 74ch; }
.card { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  margin-top: 1.2rem; }
.card > li, .sources > li { background: var(--sheet); border: 1px solid var(--line); border-radius: 14px;
  padding: 1rem 1.2rem; }
.card h3 { font-weight: 500; color: var(--soft); font-size: 1rem; }
.value { display: flex; flex-wrap: wrap; align-items: center; gap: .2rem .8rem; font-size: 1.5rem; font-weight: 650;
  line-height: 1.3; font-variant-numeric: tabular-nums; }
.badge { font-size: .85rem; font-weight: 600; border: 1.5px solid; border-radius: 99px; padding: .05rem .7rem;
  white-space: nowrap; }
.good .badge { color: var(--good); } .fair .badge { color: var(--fair); } .poor .badge { color: var(--poor); }
.unmeasured .badge, .unmeasured .value { color: var(--unmeasured); }
.notes { margin-top: 1.5rem; }
.notes li { margin: .4rem 0; padding-left: 1rem; border-left: 3px solid var(--fair); max-width: 68ch; }

.sources { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.of { margin: 0 0 .3rem; }
.links { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; font-size: .93rem; }

.gives:has(> :nth-child(4):last-child) { grid-template-columns: repeat(2, minmax(0, 1fr)); }
@media (max-width: 64rem) {
  .flow { gap: .7rem; }
  .takes { max-width: 9.5rem; }
  .takes, .gives { grid-template-columns: repeat(auto-fit, minmax(min(100%, 7rem), 1fr)); }
  .model { flex-basis: 8.5rem; padding: .6rem; }
  .arrow { width: 1.1rem; }
}
@media (max-width: 58rem) { .top { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 46rem) {
  .flow { flex-direction: column; align-items: stretch; }
  .takes, .gives, .takes figure, .gives figure { max-width: none; }
  .model, .takes, .gives { flex: none; }
  .arrow { width: 1.6rem; rotate: 90deg; align-self: center; margin: .4rem 0; }
  .circle { grid-template-columns: minmax(0, 1fr); }
  .ring { max-width: 24rem; margin: 0 auto; }
  .bar { width: 30%; }
  .weights thead { display: none; }
  .weights tr { display: block; border-top: 1px solid var(--line); padding: .5rem 0; }
  .weights th, .weights td { display: block; border: 0; padding: .1rem 0; }
  .weights th { font-weight: 600; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print { nav, .skip { display: none; } .stage, .card > li, .sources > li { break-inside: avoid; } }
"""
