// Asks once through the AI SDK and prints what came of it as one line of JSON.
// Run: node ai.mjs URL QUESTION stream|generate
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const [url, question, way] = process.argv.slice(2);
const provider = createOpenAICompatible({ name: "aura", baseURL: `${url}/v1`, includeUsage: true });
const request = { model: provider("tester"), prompt: question, maxRetries: 0 };

async function streamed() {
  const failures = [];
  const seen = { text: "", finish: null, usage: null };
  const result = streamText({ ...request, onError: ({ error }) => failures.push(String(error)) });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") seen.text += part.text;
    if (part.type === "error") failures.push(String(part.error));
    if (part.type === "finish") {
      seen.finish = part.finishReason;
      seen.usage = part.totalUsage;
    }
  }
  return { ...seen, failure: failures[0] ?? null };
}

async function generated() {
  const { text, finishReason, usage } = await generateText(request);
  return { text, finish: finishReason, usage, failure: null };
}

const { usage, ...seen } = await { stream: streamed, generate: generated }[way]();
const counted = {
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.totalTokens,
};
console.log(JSON.stringify({ ...seen, usage: counted }));
