import type { SectionName } from '../report/results.js';
import { calls } from './calls.js';
import { cost } from './cost.js';
import { overhead } from './overhead.js';
import { scale } from './scale.js';
import type { Section } from './section.js';
import { startTax } from './start-tax.js';
import { throughput } from './throughput.js';

export const SECTIONS: Readonly<Record<SectionName, Section>> = {
  throughput,
  overhead,
  calls,
  cost,
  scale,
  'start-tax': startTax,
};
