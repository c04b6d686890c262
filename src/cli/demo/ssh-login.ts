import ssh2 from 'ssh2';
import type { InstanceView } from '../../client/index.js';

/** Longer than any login on loopback. */
const READY_WITHIN_MS = 10_000;

/**
 * Logs in as the instance's user would, accepts no other host key than the one we were told, and runs one command.
 * @returns what it printed.
 */
export async function sshLogin(
  { address = '', sshPort, sshUser, hostKey = '' }: InstanceView,
  privateKey: string,
  command: string,
): Promise<string> {
  const [, expected] = hostKey.split(' ');
  const connection = new ssh2.Client();
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('ready', resolve).once('error', reject);
      connection.connect({
        host: address,
        port: sshPort,
        username: sshUser,
        privateKey,
        readyTimeout: READY_WITHIN_MS,
        hostVerifier: (key: Buffer) => key.toString('base64') === expected,
      });
    });
    return await new Promise<string>((resolve, reject) => {
      connection.exec(command, (error, channel) => {
        if (error) return reject(error);
        let output = '';
        channel.on('data', (chunk: Buffer) => {
          output += chunk;
        });
        channel.once('close', () => resolve(output.trim()));
      });
    });
  } finally {
    connection.end();
  }
}
