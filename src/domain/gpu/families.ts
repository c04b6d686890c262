import type { GpuManufacturer } from './gpu-name.js';
import { SEPARATORS } from './subject.js';

/*
 * Every family that we know, as the grammar that finds it. In a source, a blank stands for separators, or none; it is
 * matched in lower case. The name is written as the vendor writes it, `$1` being what was found, in capitals.
 */

export interface Family {
  manufacturer: GpuManufacturer;
  /** Finds the name, its parts in groups. */
  pattern: RegExp;
  toName: (parts: readonly string[]) => string;
}

/** What may be glued to a name on its left: how many there are, brands. */
const BEFORE = '(?<=(?:^|[^a-z0-9])(?:\\d[\\dx]*)?(?:nvidia|tesla|geforce|rtx|quadro|instinct|radeon)*)';
/** And on its right: how many, form factor, edition, memory type. A family's own letters were read before. */
const AFTER =
  '(?=$|[^a-z0-9]|x\\d|nvl|sxm|pci|oam|hbm|mig|gpu|ada|blackwell|server|workstation|generation|laptop|mobile|max-?q|bse|dc|w[sk]|s(?![a-z0-9])|lhr)';

function family(manufacturer: GpuManufacturer, source: string, name: string | Family['toName'], after = AFTER): Family {
  const toName = typeof name === 'string' ? ([part = '']: readonly string[]) => fill(name, part) : name;
  return { manufacturer, pattern: new RegExp(BEFORE + source.replaceAll(' ', SEPARATORS) + after, 'g'), toName };
}

function fill(name: string, part: string): string {
  return name.replace('$1', part.toUpperCase());
}

/** GeForce's endings, in whatever order they come: `4070S Ti` is an RTX 4070 Ti SUPER. */
const ENDINGS = '((?: (?:ti|super|s(?![a-z0-9])|s(?= ti)))*)( d v2(?![a-z0-9])| d(?![a-z0-9]))?'.replaceAll(
  ' ',
  SEPARATORS,
);

function geforce(source: string, brandOf: (number: number) => string): Family {
  return family('NVIDIA', source + ENDINGS, ([number = '', endings = '', d = '']) => {
    const ti = endings.includes('ti') ? ' Ti' : '';
    const superior = endings.replace('ti', '').includes('s') ? ' SUPER' : '';
    const china = d === '' ? '' : d.includes('v2') ? ' D V2' : ' D';
    return `${brandOf(Number(number))} ${number}${ti}${superior}${china}`;
  });
}

const DATA_CENTER =
  'a10g|a10m|a100x|a100|a10|a16|a30x|a30|a40|a800|h100|h200|h800|h20|gh200|b100|b200|b300|gb200|gb300|gb10|' +
  'l20|l2|l40s|l40g|l40|l4|t4g|t4|v100s|v100|p100|p40|p4|m10|m40|m60';

export const FAMILIES: readonly Family[] = [
  family('NVIDIA', `(${DATA_CENTER})`, '$1'),
  // Kepler's cooling letters
  family('NVIDIA', '(k20|k40|k80)[a-z]?', '$1', '(?![a-z0-9])'),

  geforce('rtx ([2-9]0[5-9]0)', () => 'RTX'),
  geforce('gtx (\\d{3,4})', () => 'GTX'),
  geforce('geforce (\\d{3,4})', (number) => (number >= 2000 ? 'RTX' : 'GTX')),
  // Scaleway's: what follows is the size of the machine
  family('NVIDIA', 'gpu-([2-9]0[5-9]0)', 'RTX $1'),

  family('NVIDIA', 'rtx (a\\d{4})', 'RTX $1'),
  family('NVIDIA', '(a(?:2000|3000|4000|4500|5000|5500|6000))', 'RTX $1'),
  family('NVIDIA', '(?:rtx )?(\\d{4}) sff ada', 'RTX $1 SFF Ada'),
  family('NVIDIA', '(?:rtx )?(\\d{4}) ada sff', 'RTX $1 SFF Ada'),
  family('NVIDIA', 'rtx (\\d{4}) ada', 'RTX $1 Ada'),
  family('NVIDIA', '([2456]000|4500|5880) ada', 'RTX $1 Ada'),
  // Linode's, with the count behind
  family('NVIDIA', 'rtx(4000)a', 'RTX $1 Ada', '(?=\\d{1,2}(?![a-z0-9]))'),
  family('NVIDIA', 'rtx pro (?:server )?(\\d{4}d?)', 'RTX PRO $1'),
  family('NVIDIA', 'pro (\\d000|4500)', 'RTX PRO $1', `(?=${SEPARATORS}(?:blackwell|mig))`),
  family('NVIDIA', 'rtx (6000d)', 'RTX $1'),
  family('NVIDIA', 'rtx ([456]000)', 'RTX $1'),
  family('NVIDIA', 'rtx (8000)', 'Quadro RTX $1'),
  family('NVIDIA', 'q(?:uadro)? rtx (\\d{4})', 'Quadro RTX $1'),
  family('NVIDIA', 'quadro ([kmp]\\d{3,4}|gp100|gv100)', 'Quadro $1'),
  family('NVIDIA', '(p2000|p4000|p5000|p6000|m4000)', 'Quadro $1'),

  family('NVIDIA', 'gtx titan x', 'GTX TITAN X'),
  family('NVIDIA', 'titan xp', 'TITAN Xp'),
  family('NVIDIA', 'titan (v|x|rtx)', 'TITAN $1', '(?![a-z0-9])'),
  family('NVIDIA', 'cmp (\\d{2,3}hx)', 'CMP $1'),

  // MI325 is MI325X, there is no other; the X of `mi300x8` is its own, that of `mi210x8` is not.
  family('AMD', '(mi3(?:00|08|25|50|55)x)', '$1', '(?=$|[^a-z0-9]|x?\\d)'),
  family('AMD', '(mi3[25]5)', '$1X'),
  family('AMD', '(mi(?!200)\\d{2,3}[xa]?)', '$1'),
  family('AMD', 'radeon pro ([vw]\\d{3,4})', 'Radeon PRO $1'),
  family('AMD', 'pro ([vw]\\d{3,4})', 'Radeon PRO $1'),
  family('AMD', '(v710)', 'Radeon PRO $1'),
  family('AMD', 'radeon ai pro r9700', 'Radeon AI PRO R9700'),
  family('AMD', 'radeon vii', 'Radeon VII'),
  family('AMD', 'rx (\\d{4} xtx?)', ([part = '']) => radeonRx(part)),
  family('AMD', 'rx (\\d{4})', 'RX $1'),
  family('AMD', '(\\d{4}xtx?)', ([part = '']) => radeonRx(part)),

  family('Intel', 'gaudi ([23]?)', 'Gaudi$1'),
  family('Intel', 'hl 205[a-z]?', 'Gaudi', '(?![a-z0-9])'),
  family('Intel', 'hl 225[a-z]?', 'Gaudi2', '(?![a-z0-9])'),
  family('Intel', 'hl (?:325|338)[a-z]?', 'Gaudi3', '(?![a-z0-9])'),
  family('Intel', 'max (1100|1350|1450|1550)', 'Max $1'),
  family('Intel', 'flex (140|170)', 'Flex $1'),
  family('Intel', 'arc pro ([a-z]\\d{2})', 'Arc Pro $1'),

  family('Google', 'tpu (v\\d) lite(?:pod)?', tpuLite),
  family('Google', 'tpu (v\\d[ep]?)', ([part = '']) => `TPU ${part}`),
  // Without the word only where it is all there is: `v4` is also a version.
  family('Google', '(?<=^)(v[2346]|v[56][ep])', ([part = '']) => `TPU ${part}`, '(?=(?:-[\\dx]+)?$)'),
  family('Google', '(?<=^)(v5) lite(?:pod)?', tpuLite, '(?=(?:-[\\dx]+)?$)'),

  family('AWS', 'inferentia(2?)', 'Inferentia$1'),
  family('AWS', 'trainium([23]?)', 'Trainium$1'),
  family('Qualcomm', '(?:qualcomm )?ai 100', 'AI 100'),
  family('Tenstorrent', 'n150', 'n150'),
  family('Tenstorrent', 'n300', 'n300'),
  family('Tenstorrent', 'tt galaxy wh', 'tt-galaxy-wh'),
];

function radeonRx(part: string): string {
  return `RX ${part.slice(0, 4)} ${part.endsWith('xtx') ? 'XTX' : 'XT'}`;
}

function tpuLite([version = '']: readonly string[]): string {
  return `TPU ${version}e`;
}
