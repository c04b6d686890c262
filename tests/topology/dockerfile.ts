/** What our Dockerfile's last stage says about running it. */
import { readFileSync } from 'node:fs';
import { type Dockerfile, DockerfileParser, type JSONInstruction } from 'dockerfile-ast';

export interface OwnImage {
  workdir: string;
  environment: Record<string, string>;
  entrypoint: string[];
  command: string[];
  /** The HEALTHCHECK's command. */
  healthcheck: string[];
}

export function readDockerfile(file: string): OwnImage {
  const dockerfile: Dockerfile = DockerfileParser.parse(readFileSync(file, 'utf8'));
  const last = dockerfile.getFROMs().at(-1)?.getRange()?.start.line ?? 0;
  const ofLastStage = dockerfile.getInstructions().filter((one) => (one.getRange()?.start.line ?? 0) >= last);
  const named = (keyword: string) => ofLastStage.filter((one) => one.getKeyword() === keyword);
  const environment = dockerfile
    .getENVs()
    .filter((one) => (one.getRange()?.start.line ?? 0) >= last)
    .flatMap((one) => one.getProperties())
    .map((property) => [property.getName(), property.getValue() ?? ''] as const);
  const json = (keyword: string): string[] => {
    const instruction = named(keyword).at(-1) as JSONInstruction | undefined;
    const strings = instruction?.getJSONStrings?.() ?? [];
    return strings.map((one) => one.getJSONValue());
  };
  return {
    workdir: named('WORKDIR').at(-1)?.getArgumentsContent() ?? '/',
    environment: Object.fromEntries(environment),
    entrypoint: json('ENTRYPOINT'),
    command: json('CMD'),
    healthcheck: JSON.parse(/CMD (\[.*\])/.exec(named('HEALTHCHECK').at(-1)?.getArgumentsContent() ?? '')?.[1] ?? '[]'),
  };
}
