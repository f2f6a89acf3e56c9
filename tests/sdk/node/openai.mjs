import { all, ARGUMENTS, check, load, NAMES, NotSaid, PNG, PNG_START, same, SCHEMA, START, THOUGHTS } from './shared.mjs';

export async function cases({ gateway, key, wasLeft, saw }) {
  const { default: OpenAI, BadRequestError, toFile } = await load('openai');
  const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: key, maxRetries: 0 });

  async function fails(ask) {
    try {
      await ask();
    } catch (error) {
      if (!(error instanceof BadRequestError) || error.headers.get('x-langwatch-handled-error')) throw error;
      check(error.error, 'an error body');
      return;
    }
    throw new Error('the provider’s refusal did not reach the client');
  }

  async function leave(stream) {
    for await (const _ of stream) break;
    await wasLeft();
  }

  const messages = [{ role: 'user', content: 'hello' }];
  const tools = NAMES.map((name) => ({ type: 'function', function: { name, parameters: SCHEMA } }));
  async function chat(model, feature) {
    const ask = (more = {}) => client.chat.completions.create({ model, messages, ...more });
    if (feature === 'plain') {
      const answer = await ask();
      check(answer.choices[0].message.content.startsWith(START), 'text');
      same([answer.usage.prompt_tokens, answer.usage.completion_tokens], [40, 9], 'usage');
    } else if (feature === 'streamed') {
      const chunks = await all(await ask({ stream: true, stream_options: { include_usage: true } }));
      const text = chunks.map((c) => c.choices[0]?.delta.content ?? '').join('');
      check(text.startsWith(START), 'text');
      same(chunks.filter((c) => c.usage).map((c) => c.usage.completion_tokens), [9], 'usage');
    } else if (feature === 'tools') {
      const answer = await ask({ tools, tool_choice: 'required' });
      const made = answer.choices[0].message.tool_calls.map((c) => [c.function.name, JSON.parse(c.function.arguments)]);
      same(made, [[NAMES[0], ARGUMENTS]], 'calls');
    } else if (feature === 'parallel tools') {
      const made = [];
      for await (const chunk of await ask({ tools, stream: true })) {
        for (const part of chunk.choices[0]?.delta.tool_calls ?? []) {
          made[part.index] ??= ['', ''];
          made[part.index][0] += part.function?.name ?? '';
          made[part.index][1] += part.function?.arguments ?? '';
        }
      }
      same(made.map(([n, a]) => [n, JSON.parse(a)]), NAMES.map((n) => [n, ARGUMENTS]), 'calls');
    } else if (feature === 'images') {
      const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } };
      await ask({ messages: [{ role: 'user', content: [{ type: 'text', text: 'what?' }, image] }] });
      check(await saw(PNG_START), 'the picture at the provider');
    } else if (feature === 'thinking') {
      throw new NotSaid('Chat completions tell how much was thought, not what.');
    } else if (feature === 'errors') {
      await fails(() => ask());
    } else {
      await leave(await ask({ stream: true }));
    }
  }

  const flat = NAMES.map((name) => ({ type: 'function', name, parameters: SCHEMA, strict: false }));
  const calls = (answer) =>
    answer.output.filter((i) => i.type === 'function_call').map((i) => [i.name, JSON.parse(i.arguments)]);
  async function responses(model, feature) {
    const ask = (more = {}) => client.responses.create({ model, input: 'hello', ...more });
    if (feature === 'plain') {
      const answer = await ask();
      check(answer.output_text.startsWith(START), 'text');
      same([answer.usage.input_tokens, answer.usage.output_tokens], [40, 9], 'usage');
    } else if (feature === 'streamed') {
      const events = await all(await ask({ stream: true }));
      const text = events.map((e) => (e.type === 'response.output_text.delta' ? e.delta : '')).join('');
      check(text.startsWith(START), 'text');
      same([events.at(-1).type, events.at(-1).response.usage.output_tokens], ['response.completed', 9], 'end');
    } else if (feature === 'tools') {
      same(calls(await ask({ tools: flat, tool_choice: 'required' })), [[NAMES[0], ARGUMENTS]], 'calls');
    } else if (feature === 'parallel tools') {
      const stream = client.responses.stream({ model, input: 'hello', tools: flat });
      same(calls(await stream.finalResponse()), NAMES.map((n) => [n, ARGUMENTS]), 'calls');
    } else if (feature === 'images') {
      const image = { type: 'input_image', image_url: `data:image/png;base64,${PNG}`, detail: 'auto' };
      await ask({ input: [{ role: 'user', content: [{ type: 'input_text', text: 'what?' }, image] }] });
      check(await saw(PNG_START), 'the picture at the provider');
    } else if (feature === 'thinking') {
      const more = { stream: true, include: ['reasoning.encrypted_content'], reasoning: { summary: 'auto' } };
      const events = await all(await ask(more));
      const item = events.at(-1).response.output.find((i) => i.type === 'reasoning');
      same(item.summary.map((part) => part.text).join(''), THOUGHTS, 'thoughts');
    } else if (feature === 'errors') {
      await fails(() => ask());
    } else {
      await leave(await ask({ stream: true }));
    }
  }

  async function completions(model, feature) {
    const ask = (more = {}) => client.completions.create({ model, prompt: 'hello', ...more });
    if (feature === 'plain') check((await ask()).choices[0].text.startsWith(START), 'text');
    else if (feature === 'streamed') {
      const chunks = await all(await ask({ stream: true }));
      check(chunks.map((c) => c.choices[0].text).join('').startsWith(START), 'text');
    } else if (feature === 'errors') await fails(() => ask());
    else await leave(await ask({ stream: true }));
  }

  const others = {
    embeddings: async (model) => {
      const told = await client.embeddings.create({ model, input: ['a', 'b'] });
      same(told.data.map((row) => row.embedding.length), [8, 8], 'vectors');
    },
    images: async (model) => {
      same((await client.images.generate({ model, prompt: 'a pond' })).data[0].b64_json, PNG, 'picture');
    },
    speech: async (model) => {
      const sound = await client.audio.speech.create({ model, input: 'hello', voice: 'alloy' });
      same(Buffer.from(await sound.arrayBuffer()).subarray(0, 3).toString(), 'ID3', 'sound');
    },
    transcriptions: async (model) => {
      const file = await toFile(Buffer.from('RIFF\0'), 'a.wav');
      check((await client.audio.transcriptions.create({ model, file })).text.startsWith(START), 'text');
    },
    moderations: async (model) => {
      same((await client.moderations.create({ model, input: 'x' })).results[0].flagged, false, 'verdict');
    },
  };
  const rest = Object.fromEntries(
    Object.entries(others).map(([api, ask]) => [
      api,
      (model, feature) => (feature === 'plain' ? ask(model) : fails(() => ask(model))),
    ]),
  );
  return { chat, responses, completions, ...rest };
}
