import { ARGUMENTS, ASKED_IN_CHAT, check, counted, load, NAMES, NotSaid, PNG, PNG_START, same, SCHEMA, START, THOUGHTS } from './shared.mjs';

export async function cases({ gateway, key, wasLeft, saw }) {
  const { default: Anthropic, BadRequestError } = await load('@anthropic-ai/sdk');
  const client = new Anthropic({ baseURL: gateway, apiKey: key, maxRetries: 0 });
  const hello = [{ role: 'user', content: 'hello' }];
  const tools = NAMES.map((name) => ({ name, input_schema: SCHEMA }));
  const calls = (answer) => answer.content.filter((b) => b.type === 'tool_use').map((b) => [b.name, b.input]);

  async function fails(ask) {
    try {
      await ask();
    } catch (error) {
      if (!(error instanceof BadRequestError) || error.headers.get('x-langwatch-handled-error')) throw error;
      same(error.error.type, 'error', 'body');
      return;
    }
    throw new Error('the provider’s refusal did not reach the client');
  }

  async function messages(model, feature) {
    const given = { model, max_tokens: 4096, messages: hello };
    const ask = (more = {}) => client.messages.create({ ...given, ...more });
    const final = (more = {}) => client.messages.stream({ ...given, ...more }).finalMessage();
    if (feature === 'plain') {
      const answer = await ask();
      check(answer.content[0].text.startsWith(START), 'text');
      same([answer.usage.input_tokens, answer.usage.output_tokens], [40, 9], 'usage');
    } else if (feature === 'streamed') {
      const answer = await final();
      check(answer.content[0].text.startsWith(START), 'text');
      same([answer.stop_reason, answer.usage.output_tokens], ['end_turn', 9], 'end');
    } else if (feature === 'tools') {
      same(calls(await ask({ tools, tool_choice: { type: 'any' } })), [[NAMES[0], ARGUMENTS]], 'calls');
    } else if (feature === 'parallel tools') {
      same(calls(await final({ tools })), NAMES.map((name) => [name, ARGUMENTS]), 'calls');
    } else if (feature === 'images') {
      const source = { type: 'base64', media_type: 'image/png', data: PNG };
      await ask({ messages: [{ role: 'user', content: [{ type: 'image', source }] }] });
      check(await saw(PNG_START), 'the picture at the provider');
    } else if (feature === 'thinking') {
      const answer = await final({ thinking: { type: 'enabled', budget_tokens: 1024 } });
      if (answer.content[0].type === 'text') throw new NotSaid(ASKED_IN_CHAT);
      same([answer.content[0].type, answer.content[0].thinking], ['thinking', THOUGHTS], 'thoughts');
    } else if (feature === 'errors') {
      await fails(() => ask());
    } else {
      for await (const _ of await ask({ stream: true })) break;
      await wasLeft();
    }
  }

  async function count_tokens(model, feature) {
    const ask = () => client.messages.countTokens({ model, messages: hello });
    await counted(feature, async () => (await ask()).input_tokens, fails);
  }
  return { messages, count_tokens };
}
