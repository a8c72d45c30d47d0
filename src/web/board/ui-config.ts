import type { UIConfig } from '@bull-board/api/typings/app';
import type { Links } from '../links.ts';

const SANS = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

const TIME = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;

/** The same colours as on our own pages (page/afterglow.css), and one more for what is ready. */
export function uiConfig(links: Links): UIConfig {
  const fonts = { 'font-sans': SANS, 'font-mono': MONO };
  return {
    boardTitle: 'Afterglow',
    boardLogo: { path: links.asset('icon.svg'), width: 24, height: 24 },
    favIcon: { default: links.asset('icon.svg'), alternative: links.asset('icon.svg') },
    miscLinks: [{ text: 'Afterglow: first page', url: links.home }],
    hideDocsLink: true,
    sortQueues: false,
    showMetrics: true,
    locale: { lng: 'en-US' },
    dateFormats: { short: TIME, common: { month: 'short', day: 'numeric', ...TIME }, full: { year: 'numeric', month: 'short', day: 'numeric', ...TIME } },
    theme: {
      light: { ...fonts, 'status-completed': '#0072b2', 'status-failed': '#c05300', 'status-active': '#b07800', 'status-waiting': '#a8487c', 'status-waiting-children': '#737d88' },
      dark: { ...fonts, 'status-completed': '#3fa3dc', 'status-failed': '#e4732a', 'status-active': '#e8ab2b', 'status-waiting': '#d987b4', 'status-waiting-children': '#8a929d' },
    },
  };
}
