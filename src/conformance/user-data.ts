/**
 * A script that lets one more key in, whoever the machine's user is: SSH with that key shows that user data ran. The key
 * stands in quotes on its own line, as a simulated machine reads it, too.
 */
export function authorisingScript(publicKey: string): string {
  return `#!/bin/sh
for keys in /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys; do
  [ -f "$keys" ] || continue
  echo '${publicKey}' >> "$keys"
done
exit 0
`;
}
