import type { Priority } from '../rate-limiter.js';
import type { NebiusClient } from './client.js';

/** Where machines can be: a project belongs to one region, for good. */
export interface Project {
  id: string;
  name: string;
  region: string;
}

export interface PlacesOptions {
  tenantId: string;
  /** Only these. Default: every project of the tenant. */
  projectIds?: readonly string[];
  /** Whichever of them a project has. Default: its default subnet. */
  subnetIds?: readonly string[];
}

/** How long projects and subnets are taken for unchanged, in ms. An instance of a project not yet known asks again. */
const FRESH_MS = 60_000;

/** The projects of a tenant, one client each; and the subnets in them. */
export class Places {
  readonly #client: NebiusClient;
  readonly #options: PlacesOptions;
  readonly #subnets = new Map<string, { id: string; until: number }>();
  #known: { projects: Project[]; until: number } | undefined;

  constructor(client: NebiusClient, options: PlacesOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** In the order of their ids. @throws {TypeError} when a configured one is not there. */
  async projects(priority: Priority, signal: AbortSignal): Promise<Project[]> {
    if (this.#known && Date.now() < this.#known.until) return this.#known.projects;
    const listed = await this.#client.listProjects(this.#options.tenantId, priority, signal);
    const all = listed.map(({ metadata: { id, name }, spec, status }) => {
      return { id, name, region: status?.region || spec?.region || '' };
    });
    const { projectIds } = this.#options;
    const missing = projectIds?.filter((id) => !all.some((project) => project.id === id)) ?? [];
    if (missing.length > 0) throw new TypeError(`projectIds: the tenant has no ${missing.join(', ')}`);
    const projects = all
      .filter(({ id, region }) => region !== '' && (projectIds?.includes(id) ?? true))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#known = { projects, until: Date.now() + FRESH_MS };
    return projects;
  }

  /** Of a project that nobody lists, empty: it is none of the tenant's any more, or not ours to look at. */
  async regionOf(projectId: string, priority: Priority, signal: AbortSignal): Promise<string> {
    const find = async () => (await this.projects(priority, signal)).find(({ id }) => id === projectId)?.region;
    const region = await find();
    if (region !== undefined) return region;
    this.#known = undefined;
    return (await find()) ?? '';
  }

  /** The one that new machines go to: of several, the default project. @throws {TypeError} for a region without one. */
  async projectAt(region: string, signal: AbortSignal): Promise<Project> {
    const projects = await this.projects('provision', signal);
    const here = projects.filter((project) => project.region === region);
    const project = here.find(({ name }) => name.startsWith('default')) ?? here[0];
    if (project) return project;
    const known = [...new Set(projects.map((one) => one.region))].sort().join(', ') || 'none';
    throw new TypeError(`location ${JSON.stringify(region.slice(0, 100))} has no project of ours; there is ${known}`);
  }

  /** @throws {TypeError} when the project has none that may be used. */
  async subnetOf(project: Project, signal: AbortSignal): Promise<string> {
    const known = this.#subnets.get(project.id);
    if (known && Date.now() < known.until) return known.id;
    const subnets = (await this.#client.listSubnets(project.id, signal)).map(({ metadata }) => metadata);
    const { subnetIds } = this.#options;
    const allowed = subnetIds ? subnets.filter(({ id }) => subnetIds.includes(id)) : subnets;
    const usual = allowed.find(({ name }) => name.startsWith('default-subnet'));
    const subnet = usual ?? (subnetIds || allowed.length === 1 ? allowed[0] : undefined);
    if (!subnet) {
      const why = subnetIds ? 'none of subnetIds' : 'no default subnet: name one in subnetIds';
      throw new TypeError(`the project ${project.id} has ${why}`);
    }
    this.#subnets.set(project.id, { id: subnet.id, until: Date.now() + FRESH_MS });
    return subnet.id;
  }
}
