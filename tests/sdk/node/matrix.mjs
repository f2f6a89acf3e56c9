// The cells of the SDK matrix in Node: one process runs all cells of one SDK and prints what became of each.
// Standard input: {gateway, provider, key, sdk, cells: [{api, model, feature, script}]}.
// Standard output: [{words, code, failure}]; all empty when a cell works.
import { NotSaid, same } from './shared.mjs';

async function read(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

const asked = JSON.parse(await read(process.stdin));

async function control(address, body) {
  const init = body ? { method: 'POST', body: JSON.stringify(body) } : {};
  return (await fetch(`${asked.provider}/_control${address}`, init)).json();
}

/** Waits until the provider has noticed that the client of its last call went away. */
async function wasLeft() {
  const until = Date.now() + 5000;
  while (Date.now() < until) {
    const last = (await control('/calls')).at(-1);
    if (last.outcome !== 'open') return same(last.outcome, 'client_closed', 'outcome');
  }
  throw new Error('the provider still answers a client that is gone');
}

/** Whether the provider's last request holds a text. */
async function saw(text) {
  return ((await control('/calls')).at(-1).body ?? '').includes(text);
}

function codeOf(error) {
  const headers = error.headers ?? error.response?.headers;
  const told = headers?.get ? headers.get('x-langwatch-handled-error') : undefined;
  if (told) return told;
  // Google's SDK keeps no headers; the gateway's own errors name their reason in the details.
  const found = /"domain":"langwatch"/.test(error.message ?? '') && /"reason":"([A-Z_]+)"/.exec(error.message);
  return found ? found[1].toLowerCase() : '';
}

const { cases } = await import(new URL(`./${asked.sdk}.mjs`, import.meta.url));
const bench = await cases({ ...asked, wasLeft, saw });
const results = [];
for (const cell of asked.cells) {
  await control('/behaviour', { behaviour: cell.script, times: 1 });
  const result = { words: '', code: '', failure: '' };
  try {
    await bench[cell.api](cell.model, cell.feature);
  } catch (error) {
    if (error instanceof NotSaid) result.words = error.message;
    else Object.assign(result, { code: codeOf(error), failure: `${error?.name}: ${error?.message}` });
  }
  results.push(result);
  await control('/reset', { all: true });
}
process.stdout.write(JSON.stringify(results));
