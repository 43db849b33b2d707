// As much of a terminal as TERM=ansi needs: 80 columns, 24 rows, what has scrolled away, colours, and the moves of a
// cursor. It knows no wide characters, no scrolling regions, no second screen and no mouse; what it does not know it skips.
class Screen {
  static COLUMNS = 80;
  static ROWS = 24;
  static HISTORY = 2000;
  static COLOURS = ["#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8d0da",
    "#6b7689", "#ff8b94", "#b5e890", "#ffd68a", "#8cc8ff", "#e19cf5", "#7fd8e4", "#ffffff"];

  // An escape sequence of any kind, a control character, or plain text.
  static TOKEN = new RegExp([
    String.raw`\x1b\[([<-?]*)([\d;:]*)[ -/]*([@-~])`,
    String.raw`\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)`,
    String.raw`\x1b[ -/]+[0-~]`,
    String.raw`\x1b([0-OQ-WYZ\\\x60-~])`,
    String.raw`[\0-\x1a\x1c-\x1f\x7f]`,
    String.raw`[^\0-\x1f\x7f]+`,
  ].join("|"), "y");
  // An escape sequence that goes on with what comes next.
  static BEGUN = /^\x1b(?:\[[<-?]*[\d;:]*[ -/]*|[\]PX^_][^\x07\x1b]{0,4096}\x1b?|[ -/]*)$/;

  constructor(screen, history) {
    this.element = screen;
    this.history = history;
    this.history.replaceChildren();
    this.rest = "";
    this.gone = [];
    this.reset();
  }

  reset() {
    this.rows = Array.from({ length: Screen.ROWS }, () => this.blankRow());
    [this.x, this.y, this.saved, this.last] = [0, 0, [0, 0], " "];
    this.pen = { ...Screen.PLAIN };
    this.ask();
  }

  static PLAIN = { ink: "", paper: "", bold: false, line: false, inverse: false };

  blankRow() {
    return Array.from({ length: Screen.COLUMNS }, () => [" ", ""]);
  }

  write(text) {
    text = this.rest + text;
    this.rest = "";
    let at = 0;
    while (at < text.length) {
      Screen.TOKEN.lastIndex = at;
      const token = Screen.TOKEN.exec(text);
      if (token) {
        this.take(token);
        at = Screen.TOKEN.lastIndex;
      } else if (Screen.BEGUN.test(text.slice(at))) {
        this.rest = text.slice(at);
        break;
      } else {
        at += 1;                                        // an escape character that begins nothing
      }
    }
    this.ask();
  }

  take([token, mark, numbers, final, single]) {
    if (final) {
      // Sequences with a mark set modes of other terminals.
      if (!mark) this.control(final, numbers.split(/[;:]/).map(Number));
    } else if (single) {
      this.escape(single);
    } else if (token === "\n") {
      this.down();
    } else if (token === "\r") {
      this.x = 0;
    } else if (token === "\b") {
      this.x = Math.max(0, this.x - 1);
    } else if (token === "\t") {
      this.x = Math.min(Screen.COLUMNS - 1, (this.x | 7) + 1);
    } else if (token > "\x1f" && token !== "\x7f") {
      for (const character of token) this.put(character);
    }
  }

  put(character) {
    this.rows[this.y][this.x] = [character, this.style()];
    this.last = character;
    this.x += 1;
    if (this.x === Screen.COLUMNS) {
      this.x = 0;
      this.down();
    }
  }

  down() {
    if (this.y < Screen.ROWS - 1) {
      this.y += 1;
    } else {
      this.gone.push(this.rows.shift());
      this.gone.splice(0, this.gone.length - Screen.HISTORY);
      this.rows.push(this.blankRow());
    }
  }

  escape(single) {
    if (single === "c") this.reset();
    else if (single === "7") this.saved = [this.x, this.y];
    else if (single === "8") [this.x, this.y] = this.saved;
    else if (single === "D" || single === "E") { this.down(); if (single === "E") this.x = 0; }
    else if (single === "M") { if (this.y > 0) this.y -= 1; else this.shift(0, -1); }
  }

  // Moves `count` rows from row `top` on up, or down where `count` is negative.
  shift(top, count) {
    const blanks = Array.from({ length: Math.min(Math.abs(count), Screen.ROWS - top) }, () => this.blankRow());
    if (count > 0) {
      this.rows.splice(top, blanks.length);
      this.rows.push(...blanks);
    } else {
      this.rows.splice(top, 0, ...blanks);
      this.rows.length = Screen.ROWS;
    }
  }

  control(final, numbers) {
    const row = this.rows[this.y], count = Math.min(numbers[0] || 1, Screen.COLUMNS), mode = numbers[0];
    const clear = (cells, from, to) => { for (let x = from; x < to; x += 1) cells[x] = [" ", ""]; };
    const blanks = () => this.blankRow().slice(0, Math.min(count, Screen.COLUMNS - this.x));
    const column = (x) => { this.x = Math.max(0, Math.min(Screen.COLUMNS - 1, x)); };
    const line = (y) => { this.y = Math.max(0, Math.min(Screen.ROWS - 1, y)); };
    switch (final) {
      case "A": line(this.y - count); break;
      case "B": case "e": line(this.y + count); break;
      case "C": case "a": column(this.x + count); break;
      case "D": column(this.x - count); break;
      case "E": line(this.y + count); column(0); break;
      case "F": line(this.y - count); column(0); break;
      case "G": case "`": column((numbers[0] || 1) - 1); break;
      case "d": line((numbers[0] || 1) - 1); break;
      case "H": case "f": line((numbers[0] || 1) - 1); column((numbers[1] || 1) - 1); break;
      case "I": for (let i = 0; i < count; i += 1) column((this.x | 7) + 1); break;
      case "Z": for (let i = 0; i < count; i += 1) column((this.x - 1) & ~7); break;
      case "J":
        if (mode === 0) clear(row, this.x, Screen.COLUMNS);
        if (mode === 1) clear(row, 0, this.x + 1);
        this.rows = this.rows.map((cells, y) => mode > 1 || (mode ? y < this.y : y > this.y) ? this.blankRow() : cells);
        if (mode === 3) this.gone = [], this.history.replaceChildren();
        break;
      case "K": clear(row, mode ? 0 : this.x, mode === 1 ? this.x + 1 : Screen.COLUMNS); break;
      case "L": this.shift(this.y, -count); break;
      case "M": this.shift(this.y, count); break;
      case "S": this.shift(0, count); break;
      case "T": this.shift(0, -count); break;
      case "P": row.push(...blanks().fill([" ", ""])); row.splice(this.x, row.length - Screen.COLUMNS); break;
      case "@": row.splice(this.x, 0, ...blanks()); row.length = Screen.COLUMNS; break;
      case "X": clear(row, this.x, Math.min(Screen.COLUMNS, this.x + count)); break;
      case "b": for (let i = 0; i < count; i += 1) this.put(this.last); break;
      case "m": this.colour(numbers); break;
      case "s": this.saved = [this.x, this.y]; break;
      case "u": [this.x, this.y] = this.saved; break;
    }
  }

  colour(numbers) {
    const pen = this.pen;
    while (numbers.length) {
      const number = numbers.shift(), tens = Math.floor(number / 10), ones = number % 10;
      if (number === 0) Object.assign(pen, Screen.PLAIN);
      else if (number === 1) pen.bold = true;
      else if (number === 4) pen.line = true;
      else if (number === 7) pen.inverse = true;
      else if (number === 22) pen.bold = false;
      else if (number === 24) pen.line = false;
      else if (number === 27) pen.inverse = false;
      else if ([3, 4, 9, 10].includes(tens)) {
        const place = tens % 2 ? "ink" : "paper";
        if (ones === 9) pen[place] = "";
        else if (tens > 8) pen[tens === 9 ? "ink" : "paper"] = ones < 8 ? Screen.COLOURS[ones + 8] : "";
        else pen[place] = ones === 8 ? this.mixed(numbers) : Screen.COLOURS[ones];
      }
    }
  }

  // One of 256 colours, or of all.
  mixed(numbers) {
    if (numbers.shift() === 2) return `rgb(${numbers.splice(0, 3).join()})`;
    const number = numbers.shift() ?? 0, cube = number - 16;
    if (number < 16) return Screen.COLOURS[number];
    if (number > 231) return `rgb(${Array(3).fill((number - 232) * 10 + 8).join()})`;
    return `rgb(${[cube / 36, cube / 6 % 6, cube % 6].map((part) => (part | 0) && (part | 0) * 40 + 55).join()})`;
  }

  style() {
    const { ink, paper, bold, line, inverse } = this.pen;
    const [front, back] = inverse ? [paper || "#11151d", ink || "#c8d0da"] : [ink, paper];
    return (front && `color:${front};`) + (back && `background:${back};`) + (bold ? "font-weight:bold;" : "") +
      (line ? "text-decoration:underline;" : "");
  }

  // Draws when the browser draws, however much was written until then.
  ask() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.history.append(...this.gone.splice(0).map((cells) => this.drawn(cells, -1)));
      while (this.history.childElementCount > Screen.HISTORY) this.history.firstElementChild.remove();
      this.element.replaceChildren(...this.rows.map((cells, y) => this.drawn(cells, y === this.y ? this.x : -1)));
      this.element.parentElement.scrollTop = this.element.parentElement.scrollHeight;
    });
  }

  drawn(cells, cursor) {
    const row = document.createElement("div");
    let span = null, style = null;
    cells.forEach(([character, wanted], x) => {
      if (!span || style !== wanted || x === cursor || x === cursor + 1) {
        span = document.createElement("span");
        span.style.cssText = style = wanted;
        if (x === cursor) span.className = "cursor";
        row.append(span);
      }
      span.textContent += character;
    });
    return row;
  }
}
