/**
 * Work that is done for several at once, one batch at a time: who asks while a batch is under way is in the next one, with all
 * others who wait by then, `most` of them. A batch that fails fails for all in it.
 */
export function inBatches<Q, A>(
  most: number,
  work: (questions: readonly Q[]) => Promise<readonly A[]>,
): (question: Q) => Promise<A> {
  const waiting: { readonly question: Q; resolve(answer: A): void; reject(error: unknown): void }[] = [];
  let isWorking = false;

  async function workOn(): Promise<void> {
    isWorking = true;
    for (let batch = waiting.splice(0, most); batch.length > 0; batch = waiting.splice(0, most)) {
      try {
        const answers = await work(batch.map(({ question }) => question));
        batch.forEach(({ resolve, reject }, at) => {
          const answer = answers[at];
          if (answer === undefined) reject(new Error('a question of a batch was not answered'));
          else resolve(answer);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    isWorking = false;
  }

  return question =>
    new Promise((resolve, reject) => {
      waiting.push({ question, resolve, reject });
      if (!isWorking) void workOn();
    });
}
