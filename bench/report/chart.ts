import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Panel } from './results.js';
import { inWords } from './stats.js';

use([BarChart, LineChart, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, SVGRenderer]);

const WIDTH = 760;
const PANEL_HEIGHT = 280;
const COLOURS = ['#2f6f9f', '#d9822b', '#5a9e6f', '#a05195', '#b0a030', '#c0504d', '#6b7a8f', '#4aa8b5'];
const TARGET_COLOUR = '#b00020';
const FONT = 'Arial, Helvetica, DejaVu Sans, sans-serif';

/** The panels of one section, one below the other, on white: it must be readable in a dark page, too. */
export function renderSvg(panels: readonly Panel[]): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: PANEL_HEIGHT * panels.length });
  try {
    chart.setOption(toOption(panels));
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose(); // or its timers keep the process alive
  }
}

function toOption(panels: readonly Panel[]): EChartsCoreOption {
  return {
    animation: false,
    backgroundColor: '#ffffff',
    color: COLOURS,
    textStyle: { fontFamily: FONT },
    title: panels.map(({ title, unit }, index) => ({
      text: `${title} (${unit})`,
      left: 16,
      top: index * PANEL_HEIGHT + 10,
      textStyle: { fontSize: 14, fontWeight: 'bold', fontFamily: FONT },
    })),
    legend: panels.map(({ series }, index) => ({
      data: series.map(({ name }) => `${name}`),
      left: 16,
      top: index * PANEL_HEIGHT + 32,
      // Without a canvas text is measured by guess: room for wider letters.
      itemGap: 26,
      itemWidth: 14,
      itemHeight: 10,
    })),
    grid: panels.map((_, index) => ({
      left: 64,
      right: 130,
      top: index * PANEL_HEIGHT + 66,
      height: PANEL_HEIGHT - 112,
    })),
    xAxis: panels.map(({ kind, x, xUnit }, gridIndex) => ({
      gridIndex,
      ...(kind === 'lines' ? { type: 'value', min: 'dataMin', max: 'dataMax' } : { type: 'category', data: x }),
      ...(xUnit && { name: xUnit, nameLocation: 'middle', nameGap: 26 }),
    })),
    yAxis: panels.map(({ targets = [], series }, gridIndex) => ({
      gridIndex,
      type: 'value',
      // A target above all bars would be cut off.
      max: ({ max }: { max: number }) =>
        niceCeiling(Math.max(max, ...targets.map(({ value }) => value)) || maxOf(series)),
    })),
    series: panels.flatMap(toSeries),
  };
}

function toSeries({ kind, x, series, targets = [] }: Panel, index: number) {
  return series.map(({ name, values }, position) => ({
    name,
    type: kind === 'lines' ? 'line' : 'bar',
    xAxisIndex: index,
    yAxisIndex: index,
    itemStyle: { color: COLOURS[position % COLOURS.length] },
    barMaxWidth: 48,
    ...(kind === 'lines' && { showSymbol: false }),
    ...(kind === 'bars' && {
      label: { show: true, position: 'top', fontSize: 10, formatter: ({ value }: { value: number }) => inWords(value) },
    }),
    ...(kind === 'stacked' && { stack: `stack-${index}` }),
    data: kind === 'lines' ? values.map((value, at) => [x[at], value]) : values,
    ...(position === 0 &&
      targets.length > 0 && {
        markLine: {
          symbol: 'none',
          silent: true,
          lineStyle: { color: TARGET_COLOUR, type: 'dashed' },
          data: targets.map(({ label, value }) => ({
            yAxis: value,
            label: { formatter: label, color: TARGET_COLOUR },
          })),
        },
      }),
  }));
}

function maxOf(series: Panel['series']): number {
  return Math.max(1, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
}

/** The next 1, 1.5, 2, 3, 5 or 8 times a power of ten that leaves a little air. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const wanted = value * 1.05;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return ([1, 1.5, 2, 3, 5, 8, 10].find((step) => step * power >= wanted) ?? 10) * power;
}
