// The tools that clients run, and the job on the command line: which server to ask what, and with
// which tools.
export const job = JSON.parse(process.argv[2]);

const tools = {
  Order: ({ customer, count }) => `${count} for ${customer.name}`,
  Clock: () => "12:00",
  Door: ({ name }) => { throw new Error(`the ${name} door is stuck`); },
};

// The tool of that name, which notes down what it is called with.
export function noting(ran, name) {
  return (given) => {
    ran.push([name, given]);
    return tools[name](given);
  };
}

// Asks every question in every way, and prints what came of it as one line of JSON.
export async function print(ways) {
  const seen = {};
  for (const [way, ask] of Object.entries(ways)) {
    seen[way] = {};
    for (const [question, offered] of job.questions) {
      const ran = [];
      const functions = offered.map((tool) => tool.function);
      seen[way][question] = { ran, ...(await ask(question, functions, ran)) };
    }
  }
  console.log(JSON.stringify(seen));
}
