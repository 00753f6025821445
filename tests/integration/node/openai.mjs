// Asks once through the openai SDK and prints what came of it as one line of JSON.
// Run: node openai.mjs URL QUESTION raw|stream|runner|json
import OpenAI from "openai";

const [url, question, way] = process.argv.slice(2);
const client = new OpenAI({ apiKey: "none", baseURL: `${url}/v1`, maxRetries: 0 });
const request = { model: "tester", messages: [{ role: "user", content: question }] };

// Iterates over the chunks as they are, without any help.
async function raw() {
  const seen = { text: "", finish: null, usage: null, chunks: 0, without_choices: 0, failure: null };
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    seen.chunks += 1;
    if (!Array.isArray(chunk.choices)) seen.without_choices += 1;
    seen.text += chunk.choices[0]?.delta.content ?? "";
    seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    seen.usage = chunk.usage ?? seen.usage;
  }
  return seen;
}

// The helper that accumulates chunks; it asserts much about their shape.
async function helped(runner) {
  let failure = null;
  runner.on("error", (error) => { failure = String(error); });
  const completion = await runner.finalChatCompletion();
  return { ...summary(completion), failure };
}

function summary(completion) {
  const [choice] = completion.choices;
  return {
    text: choice.message.content,
    finish: choice.finish_reason,
    usage: completion.usage,
    without_choices: 0,
    failure: null,
  };
}

const ways = {
  raw,
  stream: () => helped(client.chat.completions.stream(request)),
  runner: () => helped(client.chat.completions.runTools({ ...request, stream: true, tools: [] })),
  json: async () => summary(await client.chat.completions.create(request)),
};

console.log(JSON.stringify(await ways[way]()));
