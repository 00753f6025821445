// Lets the openai SDK run the tools of the client, in its own loop.
// Run: node client_tools_openai.mjs JOB
import OpenAI from "openai";
import { job, noting, print } from "./client_tools.mjs";

const client = new OpenAI({
  apiKey: "none",
  baseURL: `${job.url}/v1`,
  maxRetries: 0,
  defaultHeaders: job.headers,
});

// The SDK ends its loop when a tool throws, so what went wrong is given back.
function runnable(definition, ran) {
  const run = noting(ran, definition.name);
  const told = (given) => {
    try {
      return run(given);
    } catch (error) {
      return error.message;
    }
  };
  return { type: "function", function: { ...definition, parse: JSON.parse, function: told } };
}

const looped = (stream) => async (question, functions, ran) => {
  const runner = client.chat.completions.runTools({
    model: "tester",
    stream,
    messages: [{ role: "user", content: question }],
    tools: functions.map((each) => runnable(each, ran)),
  });
  try {
    return {
      text: await runner.finalContent(),
      finishes: runner.allChatCompletions().map(({ choices }) => choices[0].finish_reason),
      tokens: (await runner.totalUsage()).total_tokens,
    };
  } catch (error) {
    return { failure: { kind: error.constructor.name, status: error.status, code: error.code } };
  }
};

await print({ stream: looped(true), json: looped(false) });
