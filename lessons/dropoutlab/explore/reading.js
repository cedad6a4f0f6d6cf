// What a network reads on a sheet, whole and thinned: computed here, from the weights it was trained to.
import { GREEN, PINK, Panel, fixed, key, mean, range } from "./kit.js";

const softmax = (z) => {
  const top = Math.max(...z), all = z.map((v) => Math.exp(v - top)), total = all.reduce((a, b) => a + b);
  return all.map((v) => v / total);
};
const largest = (values) => values.indexOf(Math.max(...values));

/** Shares of the classes by the network of these places, whole, and with its units dropped at a rate. */
export function read(table, { share, p }, image, rate) {
  const layer = (k) => {
    const [W, b, scale] = ["W", "b", "scale"].map((name) => table[name + k].at(share, p));
    return (x) => Array.from(b, (shift, i) => {
      let sum = 0;
      for (let j = 0, at = i * x.length; j < x.length; j++) sum += x[j] * W[at + j];
      return shift + scale[0] * sum;
    });
  };
  const h = layer(1)(image).map((z) => Math.max(0, z)), last = layer(2);
  const each = range(table.coins.shape[0]).map((k) => {
    const coins = table.coins.at(k);
    return softmax(last(h.map((v, j) => (coins[j] < 256 * rate ? 0 : v / (1 - rate)))));
  });
  return { whole: softmax(last(h)), each };
}

const empty = (sketch) => !sketch.ready && !sketch.strokes.length;

export function reading({ whole, each }, sketch) {
  if (empty(sketch)) return new Panel(410, 272, "The sheet is empty: draw a digit");
  const says = largest(whole), votes = range(10).map(() => 0), average = range(10);
  for (const shares of each) votes[largest(shares)] += 1;
  for (const digit of range(10)) average[digit] = mean(each.map((shares) => shares[digit]));
  const title = `It reads ${says}, and so do ${votes[says]} of ${each.length} thinned networks`;
  const panel = new Panel(410, 272, title);
  for (const digit of range(10)) {
    const y = 26 + 21.5 * digit;
    panel.text(2, y + 13, digit, digit === says ? { fontWeight: "bold" } : {});
    panel.rect(20, y + 1, 180 * whole[digit], 8, GREEN).rect(20, y + 10, 180 * average[digit], 7, PINK);
    panel.dots(range(votes[digit]).map((k) => [216 + 7.6 * k, y + 9]), PINK, 5.5);
  }
  return key(panel, 0, 265, [["whole network", GREEN], ["thinned ones: mean, and their votes", PINK]]);
}

export function told({ whole, each }, sketch) {
  if (empty(sketch)) return "The sheet is empty. ";
  const says = largest(whole), agree = each.filter((shares) => largest(shares) === says).length;
  return `The network reads ${says} on the sheet (${fixed(100 * whole[says], 0)} % sure), and so do ` +
    `${agree} of its ${each.length} thinned networks. `;
}
