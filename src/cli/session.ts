import { connectClient, SlipwayClient } from '../client/index.js';
import { findServer } from './server.js';

/** Runs one command's work with a client, and leaves no connection behind. */
export async function withClient<T>(work: (client: SlipwayClient) => Promise<T>): Promise<T> {
  const server = findServer();
  const temporal = await connectClient(server);
  try {
    return await work(new SlipwayClient({ client: temporal, taskQueue: server.taskQueue }));
  } finally {
    await temporal.connection.close();
  }
}
