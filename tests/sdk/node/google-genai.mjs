import { all, ARGUMENTS, ASKED_IN_CHAT, check, counted, load, NAMES, NotSaid, PNG, PNG_START, same, SCHEMA, START, THOUGHTS } from './shared.mjs';

export async function cases({ gateway, key, wasLeft, saw }) {
  const { ApiError, GoogleGenAI } = await load('@google/genai');
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: gateway } });
  const contents = 'hello';
  const tools = {
    tools: [{ functionDeclarations: NAMES.map((name) => ({ name, parametersJsonSchema: SCHEMA })) }],
    toolConfig: { functionCallingConfig: { mode: 'ANY' } },
  };
  const calls = (answer) => (answer.functionCalls ?? []).map((c) => [c.name, c.args]);

  async function fails(ask) {
    try {
      await ask();
    } catch (error) {
      if (!(error instanceof ApiError) || /"domain":"langwatch"/.test(error.message)) throw error;
      same(error.status, 400, 'status');
      check(error.message.includes('INVALID_ARGUMENT'), error.message);
      return;
    }
    throw new Error('the provider’s refusal did not reach the client');
  }

  async function gemini(model, feature) {
    const ask = (more = {}) => client.models.generateContent({ model, contents, ...more });
    const stream = (more = {}) => client.models.generateContentStream({ model, contents, ...more });
    if (feature === 'plain') {
      const answer = await ask();
      check(answer.text.startsWith(START), 'text');
      const { promptTokenCount, candidatesTokenCount } = answer.usageMetadata;
      same([promptTokenCount, candidatesTokenCount], [40, 9], 'usage');
    } else if (feature === 'streamed') {
      const chunks = await all(await stream());
      check(chunks.map((chunk) => chunk.text ?? '').join('').startsWith(START), 'text');
      same(chunks.at(-1).candidates[0].finishReason, 'STOP', 'end');
    } else if (feature === 'tools') {
      same(calls(await ask({ config: tools })), [[NAMES[0], ARGUMENTS]], 'calls');
    } else if (feature === 'parallel tools') {
      const made = (await all(await stream({ config: tools }))).flatMap(calls);
      same(made, NAMES.map((name) => [name, ARGUMENTS]), 'calls');
    } else if (feature === 'images') {
      const parts = [{ inlineData: { mimeType: 'image/png', data: PNG } }, { text: 'what?' }];
      await ask({ contents: [{ role: 'user', parts }] });
      check(await saw(PNG_START), 'the picture at the provider');
    } else if (feature === 'thinking') {
      const chunks = await all(await stream({ config: { thinkingConfig: { includeThoughts: true } } }));
      const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
      const thoughts = parts.filter((p) => p.thought);
      if (!thoughts.length) throw new NotSaid(ASKED_IN_CHAT);
      same(thoughts.map((p) => p.text).join(''), THOUGHTS, 'thoughts');
    } else if (feature === 'errors') {
      await fails(() => ask());
    } else {
      const leaving = new AbortController();
      try {
        for await (const _ of await stream({ config: { abortSignal: leaving.signal } })) leaving.abort();
      } catch (error) {
        check(leaving.signal.aborted, error.message);
      }
      await wasLeft();
    }
  }

  async function embed(model, feature) {
    const ask = () => client.models.embedContent({ model, contents: ['a', 'b'] });
    if (feature === 'plain') same((await ask()).embeddings.map((row) => row.values.length), [8, 8], 'vectors');
    else await fails(ask);
  }

  async function count(model, feature) {
    const ask = () => client.models.countTokens({ model, contents });
    await counted(feature, async () => (await ask()).totalTokens, fails);
  }
  return { gemini, embed, count };
}
