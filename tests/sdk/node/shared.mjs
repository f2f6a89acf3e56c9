// What all SDKs are asked, what they must find, and how it is checked.
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const PNG_START = PNG.slice(0, 40);
export const START = 'Grüezi – a calm';
export const ARGUMENTS = { city: 'Zürich', unit: 'celsius' };
export const NAMES = ['get_weather', 'get_time'];
export const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' }, unit: { type: 'string' } },
};
export const ASKED_IN_CHAT =
  'Chat completions, in which this provider is asked, tell how much was thought, not what.';
export const THOUGHTS = 'Short question; short answer.';

/** Every item of a stream. */
export async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

const require = createRequire(path.join(process.cwd(), 'package.json'));

/** The SDK of that name, from where the packages of the tests are installed. */
export async function load(name) {
  return import(pathToFileURL(require.resolve(name)).href);
}

/** Says why an API has no word for a feature. */
export class NotSaid extends Error {}

const ESTIMATED =
  'The provider has no call that counts this; the gateway estimates it, rather too high.';

/** Tells a provider's count from an estimate of the gateway's own, which no provider can refuse. */
export async function counted(feature, ask, fails) {
  let tokens;
  try {
    tokens = await ask();
  } catch (error) {
    if (feature !== 'errors') throw error;
    await fails(() => Promise.reject(error));
    return;
  }
  if (tokens !== 40) throw new NotSaid(ESTIMATED);
  check(feature === 'plain', 'a count that must fail');
}

export function check(condition, what) {
  if (!condition) throw new Error(`not as it must be: ${what}`);
}

export function same(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(a === b, `${what}: ${a} instead of ${b}`);
}
