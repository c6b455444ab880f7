// The explorer page. Everything that comes from the chain is put in place as text, never as HTML.

const REFRESH_MS = 2000;
const TOGETHER_MS = 50;
const FOLLOW_AGAIN_MS = 60000;
const STATUS_MS = 10000;
const ROWS = 12;

const view = document.getElementById('view');
let decimals = 9;
let status = null;
let shownTip = null;
let shownAt = 0;
let generation = 0;

/** An element with text or element children; attributes are set as attributes. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(key, value);
    else if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** GETs JSON; a problem becomes an error with its detail. */
async function get(path) {
  const response = await fetch(path, { headers: { accept: 'application/json' } });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail || body.title || `status ${response.status}`);
  return body;
}

const at = (kind, id) => `#/${kind}/${encodeURIComponent(id)}`;
const short = (text) => (text && text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-6)}` : text);
const mono = (text, href) => href
  ? el('a', { class: 'mono', href, title: text }, short(text))
  : el('span', { class: 'mono' }, text);
const pill = (state) => el('span', { class: `pill ${/^[a-z_]+$/.test(state) ? state : ''}` }, state);
const whole = (number) => Number(number).toLocaleString('en');

/** Base units as a decimal number; digits are moved, never rounded. */
function money(text) {
  if (text === null || text === undefined) return '—';
  if (decimals === 0) return text;
  const digits = text.padStart(decimals + 1, '0');
  const head = digits.slice(0, -decimals).replace(/\B(?=(\d{3})+$)/g, ',');
  const tail = digits.slice(-decimals).replace(/0+$/, '');
  return tail ? `${head}.${tail}` : head;
}

/** The same for a narrow column: cut, never rounded, the whole figure in the title. */
function brief(text) {
  const full = money(text);
  const [head, tail = ''] = full.split('.');
  return el('span', { title: full }, tail.length > 3 && head !== '0' ? `${head}.${tail.slice(0, 3)}…` : full);
}

function ago(timestamp) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(timestamp)) / 1000));
  if (Number.isNaN(seconds)) return timestamp;
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(timestamp).toLocaleDateString();
}

const party = (address) => address ? mono(address, at('address', address)) : el('span', { class: 'label' }, 'system');
const when = (timestamp) => el('span', { title: timestamp }, ago(timestamp));

const BLOCK_COLUMNS = [
  ['Height', (b) => el('a', { href: at('block', b.height) }, whole(b.height))],
  ['Hash', (b) => mono(b.hash, at('block', b.hash))],
  ['Age', (b) => when(b.timestamp)],
  ['Txs', (b) => whole(b.tx_count), 'number'],
  ['Amount', (b) => brief(b.total_amount), 'number'],
];
const TX_COLUMNS = [
  ['Transaction', (t) => mono(t.tx_id, at('tx', t.tx_id))],
  ['Block', (t) => el('a', { href: at('block', t.block_height) }, whole(t.block_height))],
  ['From', (t) => party(t.sender)],
  ['To', (t) => party(t.recipient)],
  ['Amount', (t) => brief(t.amount), 'number'],
];
const HISTORY_COLUMNS = [
  ['', (t) => el('span', { class: t.direction }, { incoming: '↓ in', outgoing: '↑ out', self: '↻ self' }[t.direction])],
  ...TX_COLUMNS,
  ['Age', (t) => when(t.timestamp)],
];

function table(columns, items, key, known = null) {
  const head = el('tr', {}, columns.map(([name, , kind]) => el('th', { class: kind }, name)));
  const rows = items.map((item) => el(
    'tr', { class: known && !known.has(key(item)) ? 'fresh' : undefined },
    columns.map(([, cell, kind]) => el('td', { class: kind }, cell(item))),
  ));
  return el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, head), el('tbody', {}, rows)));
}

const card = (title, ...content) => el('section', { class: 'card' }, el('h2', {}, title), ...content);
const note = (text) => el('p', { class: 'note' }, text);
const facts = (pairs) => el('dl', {}, pairs.filter(([, v]) => v !== undefined)
  .map(([name, value]) => [el('dt', {}, name), el('dd', {}, value ?? '—')]));

/** A list that grows page by page. */
function paged(title, columns, path, key, first = null) {
  const body = el('div');
  const more = el('button', { class: 'more', click: () => load() }, 'Show more');
  let cursor = null;
  let count = 0;
  async function load() {
    more.disabled = true;
    try {
      const query = cursor ? `?limit=50&cursor=${encodeURIComponent(cursor)}` : '?limit=50';
      add(await get(path + query));
    } catch (error) {
      body.append(note(error.message));
      more.remove();
    }
    more.disabled = false;
  }
  function add(page) {
    count += page.items.length;
    if (page.items.length) body.append(table(columns, page.items, key));
    if (!count) body.append(note('Nothing yet.'));
    cursor = page.next_cursor;
    if (cursor) body.after(more); else more.remove();
  }
  const section = card(title, body);
  if (first) add(first); else load();
  return section;
}

const seen = { blocks: new Set(), txs: new Set() };

async function home() {
  const mine = generation;
  const [blocks, txs] = await Promise.all([
    get(`/v1/explorer/blocks?limit=${ROWS}`),
    get(`/v1/explorer/transactions?limit=${ROWS}`),
  ]);
  if (mine !== generation) return;
  const known = shownTip === null ? [null, null] : [seen.blocks, seen.txs];
  view.className = 'pair';
  view.replaceChildren(
    card('Latest blocks', blocks.items.length ? table(BLOCK_COLUMNS, blocks.items, (b) => b.hash, known[0]) : note('No blocks yet.')),
    card('Latest transactions', txs.items.length ? table(TX_COLUMNS, txs.items, (t) => t.tx_id, known[1]) : note('No transactions yet.')),
  );
  seen.blocks = new Set(blocks.items.map((b) => b.hash));
  seen.txs = new Set(txs.items.map((t) => t.tx_id));
}

async function block(id) {
  const b = await get(`/v1/explorer/block/${encodeURIComponent(id)}`);
  return [
    card(`Block ${whole(b.height)}`, facts([
      ['Status', [pill(b.status), ` ${b.confirmations} confirmations`]],
      ['Hash', mono(b.hash)],
      ['Parent', b.parent_hash ? el('a', { class: 'mono', href: at('block', b.parent_hash) }, b.parent_hash) : null],
      ['Time', `${b.timestamp} (${ago(b.timestamp)})`],
      ['Validator', b.validator_address ? mono(b.validator_address) : null],
      ['Amount', money(b.total_amount)],
      ['Gas', `${whole(b.gas_used)} of ${whole(b.gas_limit)}`],
      ['State root', b.state_root ? mono(b.state_root) : null],
      ['State leaves', b.state_leaf_count],
    ])),
    paged(`Transactions (${whole(b.tx_count)})`, TX_COLUMNS,
      `/v1/explorer/block/${encodeURIComponent(id)}/transactions`, (t) => t.tx_id,
      { items: b.transactions, next_cursor: b.transactions_next_cursor }),
  ];
}

async function tx(id) {
  const t = await get(`/v1/explorer/tx/${encodeURIComponent(id)}`);
  const cards = [card('Transaction', facts([
    ['Id', mono(t.tx_id)],
    ['Status', [pill(t.status), ` ${t.confirmations} confirmations`]],
    ['Block', el('a', { href: at('block', t.block_height) }, `${whole(t.block_height)}, index ${t.index}`)],
    ['Time', `${t.timestamp} (${ago(t.timestamp)})`],
    ['Type', t.transaction_type],
    ['From', t.sender ? el('a', { class: 'mono', href: at('address', t.sender) }, t.sender) : 'system'],
    ['To', t.recipient ? el('a', { class: 'mono', href: at('address', t.recipient) }, t.recipient) : null],
    ['Amount', money(t.amount)],
    ['Fee', money(t.fee)],
    ['Nonce', t.nonce],
  ]))];
  if (t.outputs.length > 1) {
    const columns = [['Recipient', (o) => party(o.recipient)], ['Amount', (o) => money(o.amount), 'number']];
    cards.push(card('Outputs', table(columns, t.outputs, (o) => o.recipient)));
  }
  if (t.payload) cards.push(card('Payload', el('pre', {}, JSON.stringify(t.payload, null, 2))));
  return cards;
}

async function address(id) {
  const path = `/v1/explorer/address/${encodeURIComponent(id)}`;
  const b = await get(`${path}/balance`);
  return [
    card('Address', facts([
      ['Address', mono(b.address)],
      ['Balance', b.balance === null ? 'being read from the node' : money(b.balance)],
      ['As of block', b.as_of_height === null ? null : whole(b.as_of_height)],
      ['Nonce', b.nonce],
      ['Received', money(b.received_total)],
      ['Sent', money(b.sent_total)],
      ['Transactions', whole(b.tx_count)],
      ['Seen', b.first_seen_height === null ? 'never' : `block ${whole(b.first_seen_height)} to ${whole(b.last_seen_height)}`],
    ])),
    paged('History', HISTORY_COLUMNS, `${path}/history`, (t) => t.tx_id),
  ];
}

async function search(text) {
  const { items } = await get(`/v1/explorer/search?q=${encodeURIComponent(text)}`);
  const links = items.map((item) => ({
    block: () => [at('block', item.hash), `Block ${item.height}`],
    orphan: () => [at('block', item.hash), `Removed block ${item.height}`],
    transaction: () => [at('tx', item.tx_id), `Transaction ${item.tx_id}`],
    address: () => [at('address', item.address), `Address ${item.address}`],
  }[item.kind]()));
  if (links.length === 1) {
    location.replace(links[0][0]);
    return [];
  }
  const list = links.map(([href, label]) => el('p', { class: 'note' }, el('a', { href }, label)));
  return [card(`Results for “${text}”`, list.length ? list : note('Nothing on the chain has that name.'))];
}

const VIEWS = { block, tx, address, search };

async function route() {
  generation += 1;
  const mine = generation;
  shownTip = null;
  const [, kind, ...rest] = location.hash.split('/');
  const build = VIEWS[kind];
  try {
    if (!build) return await home();
    const cards = await build(decodeURIComponent(rest.join('/')));
    if (mine !== generation) return;
    view.className = '';
    view.replaceChildren(...cards);
    window.scrollTo(0, 0);
  } catch (error) {
    if (mine !== generation) return;
    view.className = '';
    view.replaceChildren(card('Not available', note(error.message)));
  }
}

function tiles(health) {
  const tile = (value, label, kind) => el('div', { class: 'tile' }, el('b', { class: kind }, value), el('span', {}, label));
  const behind = status ? status.lag_blocks : null;
  document.getElementById('tiles').replaceChildren(
    tile(whole(health.consensus_status.current_height), 'latest block'),
    tile(status && status.finalized_height !== null ? whole(status.finalized_height) : '—', 'finalized'),
    tile(behind === null ? '—' : whole(behind), 'blocks behind the node', behind > 10 ? 'lagging' : undefined),
    tile(health.status, status ? `mode: ${status.mode}` : 'service', health.status),
  );
}

async function refreshStatus() {
  try {
    status = await get('/v1/status');
    decimals = status.decimals;
    document.getElementById('network').textContent = status.network || '';
    document.getElementById('version').textContent = `chert ${status.version}`;
    const sources = status.sources.map((s) => [el('span', { class: /^[a-z_]+$/.test(s.state) ? s.state : '' }, '● '), `${s.kind} ${s.name} (${s.state}) `]);
    document.getElementById('sources').replaceChildren(...sources.flat());
  } catch { /* the health tile says so */ }
}

// The health answer is free of the rate limit and tells whether anything is new at all.
async function refresh(changed = false) {
  if (document.hidden) return;
  try {
    const health = await get('/health');
    tiles(health);
    const tip = health.consensus_status.current_height;
    if (!VIEWS[location.hash.split('/')[1]] && (changed || tip !== shownTip)) {
      shownAt = Date.now();
      await home();
      shownTip = tip;
    }
  } catch {
    tiles({ status: 'unreachable', consensus_status: { current_height: shownTip || 0 } });
  }
}

document.getElementById('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = document.getElementById('query').value.trim();
  if (text) location.hash = `/search/${encodeURIComponent(text)}`;
});
window.addEventListener('hashchange', route);
await refreshStatus();
await route();
await refresh();
setInterval(() => refreshStatus().then(() => refresh()), STATUS_MS);

// The stream says when a block comes or goes; where there is none, the health answer is asked.
let polling = setInterval(() => refresh(), REFRESH_MS);
let due = null;
function follow() {
  if (typeof EventSource === 'undefined') return;
  const events = new EventSource('/v1/events/stream?type=block.applied,block.retracted');
  const poll = (on) => {
    clearInterval(polling);
    polling = on ? setInterval(() => refresh(), REFRESH_MS) : null;
  };
  // Blocks that come together are shown together, and never faster than polling would show them.
  const soon = () => {
    const wait = Math.max(TOGETHER_MS, shownAt + REFRESH_MS - Date.now());
    due ??= setTimeout(() => { due = null; refresh(true); }, wait);
  };
  events.onopen = () => { poll(false); soon(); };
  events.onerror = () => {
    if (polling === null) poll(true);
    // Refused for good (too many streams, say): try again, but rarely.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, FOLLOW_AGAIN_MS);
  };
  for (const type of ['block.applied', 'block.retracted']) events.addEventListener(type, soon);
}
document.addEventListener('visibilitychange', () => refresh(true));
follow();
