import { helloServer, type NetnsHost } from './netns.js';

const BRIDGE = '10.231.255.1';
const CONTAINER = '10.231.255.2';
const BRIDGE6 = 'fd00:10:231:ffff::1';
const CONTAINER6 = 'fd00:10:231:ffff::2';

/**
 * What `docker run -p published:inside` does on a host, without Docker: a network namespace on the bridge docker0, and
 * Docker's rules in NAT and FORWARD, for IPv4 and IPv6. A server in the container says "hello".
 */
export async function runContainer(
  host: NetnsHost,
  { published, inside }: { published: number; inside: number },
): Promise<void> {
  await host.start(
    'running',
    'unshare',
    '-n',
    'sh',
    '-c',
    'echo $$ >/run/container.pid; echo running; exec sleep 100000',
  );
  await host.must(`pid=$(cat /run/container.pid)
    ip link add docker0 type bridge; ip addr add ${BRIDGE}/24 dev docker0; ip addr add ${BRIDGE6}/64 dev docker0 nodad
    ip link add veth0 type veth peer name eth0 netns $pid; ip link set veth0 master docker0 up; ip link set docker0 up
    in="nsenter -t $pid -n"
    $in ip addr add ${CONTAINER}/24 dev eth0; $in ip addr add ${CONTAINER6}/64 dev eth0 nodad
    $in ip link set lo up; $in ip link set eth0 up
    $in ip route add default via ${BRIDGE}; $in ip -6 route add default via ${BRIDGE6}
    echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding`);
  await startDocker(host);
  for (const [tables, address] of [
    ['iptables', CONTAINER],
    ['ip6tables', `[${CONTAINER6}]`],
  ] as const) {
    const plain = address.replace(/[[\]]/g, '');
    await host.must(`${tables} -t nat -A PREROUTING ! -i docker0 -p tcp --dport ${published} -j DNAT --to ${address}:${inside}
      ${tables} -A DOCKER -d ${plain} ! -i docker0 -o docker0 -p tcp --dport ${inside} -j ACCEPT`);
  }
  const script = helloServer(inside).replaceAll("'", '"');
  await host.start(
    'listening',
    'sh',
    '-c',
    `exec nsenter -t "$(cat /run/container.pid)" -n ${process.execPath} -e '${script}'`,
  );
}

/** What dockerd does to the filter table at each start: its jumps come first; DOCKER-USER is filled only when new. */
export async function startDocker(host: NetnsHost): Promise<void> {
  for (const tables of ['iptables', 'ip6tables']) {
    await host.must(`${tables} -N DOCKER-USER 2>/dev/null && ${tables} -A DOCKER-USER -j RETURN || true
      ${tables} -N DOCKER 2>/dev/null || true
      ${tables} -D FORWARD -j DOCKER-USER 2>/dev/null || true
      ${tables} -C FORWARD -o docker0 -j DOCKER 2>/dev/null || ${tables} -I FORWARD -o docker0 -j DOCKER
      ${tables} -C FORWARD -i docker0 -j ACCEPT 2>/dev/null || ${tables} -I FORWARD -i docker0 -j ACCEPT
      ${tables} -C FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT 2>/dev/null ||
        ${tables} -I FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      ${tables} -I FORWARD -j DOCKER-USER`);
  }
}

/** Whether the container reaches a port elsewhere, from inside. */
export async function containerReaches(host: NetnsHost, address: string, port: number): Promise<boolean> {
  const script = `const s = require("net").connect({ host: "${address}", port: ${port}, timeout: 3000 });
    s.on("data", () => process.exit(0)); s.on("timeout", () => process.exit(1)); s.on("error", () => process.exit(2))`;
  const ran = await host.run(`nsenter -t "$(cat /run/container.pid)" -n ${process.execPath} -e '${script}'`);
  return ran.exitCode === 0;
}
