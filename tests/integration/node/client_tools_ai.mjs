// Lets the AI SDK run the tools of the client, in its own loop.
// Run: node client_tools_ai.mjs JOB
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { job, noting, print } from "./client_tools.mjs";

const provider = createOpenAICompatible({
  name: "aura",
  baseURL: `${job.url}/v1`,
  includeUsage: true,
  headers: job.headers,
});

function asked(question, functions, ran) {
  const tools = functions.map(({ name, description, parameters }) => [
    name,
    tool({ description, inputSchema: jsonSchema(parameters), execute: noting(ran, name) }),
  ]);
  return {
    model: provider("tester"),
    prompt: question,
    maxRetries: 0,
    tools: Object.fromEntries(tools),
    stopWhen: stepCountIs(5),
  };
}

async function summary({ text, steps, totalUsage }) {
  return {
    text: await text,
    finishes: (await steps).map((step) => step.finishReason.replace("-", "_")),
    tokens: (await totalUsage).totalTokens,
  };
}

function failed(error) {
  return { failure: { kind: error.name, status: error.statusCode, code: error.data?.error.code } };
}

async function streamed(question, functions, ran) {
  const failures = [];
  const request = asked(question, functions, ran);
  const result = streamText({ ...request, onError: ({ error }) => failures.push(error) });
  await result.consumeStream();
  return failures.length ? failed(failures[0]) : summary(result);
}

async function generated(question, functions, ran) {
  try {
    return await summary(await generateText(asked(question, functions, ran)));
  } catch (error) {
    return failed(error);
  }
}

await print({ stream: streamed, generate: generated });
