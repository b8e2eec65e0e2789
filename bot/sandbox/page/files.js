// The files of a message: name, size, and a link that saves it.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const size = (bytes) => (bytes < 1024 ? `${bytes} bytes` : bytes < 1024 ** 2 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1024 ** 2).toFixed(1)} MB`);

export function files(message, who) {
  return (message.files ?? []).map((file) =>
    h(
      "a.file",
      { href: `/files/${file.id}?who=${who}`, download: file.name, data: { file: file.id } },
      icon("scroll"),
      h("b", {}, file.title),
      h("span", {}, size(file.size)),
    ),
  );
}
