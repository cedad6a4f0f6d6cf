// A network small enough to be trained in a page: two inputs, one hidden layer, points on two half
// circles, a fifth of their labels wrong. `studies/moons.py` is the same in NumPy, to the number.

export const STEPS = 1500, LOOK = 25, WRONG = 0.2;
const BATCH = 20, RATE = 0.04, MOMENTUM = 0.9, START = 3, NOISE = 0.15, NEW = 800;
const POINTS = 1, WEIGHTS = 2, ORDER = 3, MASKS = 4;  // what a stream of numbers is for

/** Number k of the stream that is for this purpose, uniform on [0, 1): the hash of mulberry32. */
const hashed = (s) => {
  let t = Math.imul(s ^ (s >>> 15), 1 | s);
  t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
  return (t ^ (t >>> 14)) >>> 0;
};
export function stream(seed, purpose) {
  const start = hashed(8 * seed + purpose);
  return (k) => hashed((start + Math.imul(k, 0x6d2b79f5)) | 0) / 2 ** 32;
}
const normal = (u) => (k) => Math.sqrt(-2 * Math.log(1 - u(2 * k))) * Math.cos(2 * Math.PI * u(2 * k + 1));

/** n points with their classes, and the labels that are given; of a larger n these are the first. */
export function moons(n, seed) {
  const u = stream(seed, POINTS), g = normal(u), X = new Float64Array(2 * n);
  const classes = new Uint8Array(n), given = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const turn = Math.PI * u(8 * i), side = 1 - 2 * (i % 2);
    X[2 * i] = side * (Math.cos(turn) - 0.5) + NOISE * g(4 * i + 1);
    X[2 * i + 1] = side * (Math.sin(turn) - 0.25) + NOISE * g(4 * i + 2);
    classes[i] = i % 2;
    given[i] = u(8 * i + 1) < WRONG ? 1 - classes[i] : classes[i];
  }
  return { X, classes, given, n };
}

/** sigmoid(v · d(relu(W x + a)) + c), trained on the cross-entropy; d drops units, and scales. */
export class Net {
  constructor(width, seed, p) {
    const g = normal(stream(seed, WEIGHTS)), at = 3 * width;  // W's two columns, a, then v, then c
    Object.assign(this, { width, p, u: stream(seed, MASKS), seen: 0, at });
    this.all = Float64Array.from({ length: 4 * width + 1 }, (_, k) =>
      k < at ? START * g(k) : k < 4 * width ? Math.sqrt(2 / width) * g(k) : 0);
    this.speed = new Float64Array(this.all.length);
    this.slope = new Float64Array(this.all.length);
    this.h = new Float64Array(width);
    this.factor = new Float64Array(width).fill(1);
  }
  /** The log odds of class 1, every unit at work unless `factor` says otherwise. */
  odds(x, y, factor) {
    const { all, width: n, at, h } = this;
    let z = all[4 * n];
    for (let j = 0; j < n; j++) {
      const sum = all[j] * x + all[n + j] * y + all[2 * n + j];
      h[j] = sum > 0 ? (factor ? factor[j] * sum : sum) : 0;
      z += all[at + j] * h[j];
    }
    return z;
  }
  /** Add to `slope` that of one point's loss, divided by `of`, and return the loss. */
  back(x, y, label, of) {
    const { all, width: n, at, h, slope, factor } = this;
    const z = this.odds(x, y, factor), error = (1 / (1 + Math.exp(-z)) - label) / of;
    for (let j = 0; j < n; j++) if (h[j] > 0) {
      const through = error * all[at + j] * factor[j];
      slope[at + j] += error * h[j];
      slope[j] += through * x;
      slope[n + j] += through * y;
      slope[2 * n + j] += through;
    }
    slope[4 * n] += error;
    return Math.log1p(Math.exp(label ? -z : z));
  }
  step({ X, given }, rows, rate) {
    const { all, slope, speed, factor, p, width } = this;
    slope.fill(0);
    for (const i of rows) {
      for (let j = 0; j < width; j++) factor[j] = this.u(this.seen++) < p ? 0 : 1 / (1 - p);
      this.back(X[2 * i], X[2 * i + 1], given[i], rows.length);
    }
    for (let k = 0; k < all.length; k++) all[k] += speed[k] = MOMENTUM * speed[k] - rate * slope[k];
  }
  /** The percentage of points whose label is another than the network's. */
  error({ X, n }, labels) {
    let wrong = 0;
    for (let i = 0; i < n; i++) wrong += Number(this.odds(X[2 * i], X[2 * i + 1]) > 0) !== labels[i];
    return (100 * wrong) / n;
  }
}

let fresh;  // what all networks are tested on
/** Networks that differ in p alone: the same first weights, points and order, and nested masks. */
export class Race {
  constructor(points, width, rates, seed) {
    this.nets = rates.map((p) => new Net(width, seed, p));
    Object.assign(this, { own: moons(points, seed), order: stream(seed, ORDER), steps: 0, looks: [] });
    fresh ??= moons(NEW, 999);
    this.look();
  }
  get done() { return this.steps >= STEPS; }
  look() {
    const { own, steps, nets } = this;
    const of = (net) => [net.error(own, own.given), net.error(fresh, fresh.classes)];
    const errors = steps ? nets.map(of) : Array(nets.length).fill(of(nets[0]));  // all begin as one
    this.looks.push({ steps, errors });
  }
  step() {
    const { order, own, steps, nets } = this, rows = new Uint32Array(BATCH);
    for (let k = 0; k < BATCH; k++) rows[k] = Math.floor(order(steps * BATCH + k) * own.n);
    for (const net of nets) net.step(own, rows, RATE * (1 - steps / STEPS));
    this.steps += 1;
    if (this.steps % LOOK === 0) this.look();
  }
}
