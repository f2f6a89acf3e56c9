// What HTML and htmx cannot do alone: copying, the theme switch, modal dialogs, notices that leave, quiet polling.
// Every page works without this file, except that nothing is copied or remembered.
(() => {
  const root = document.documentElement;
  const NOTICE_SECONDS = 8;
  const COPIED_SECONDS = 2;

  // --- Copy: <button data-copy="element-id"> ---
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      return; // the text is selected; the person copies it by hand
    }
    button.classList.add("is-copied");
    setTimeout(() => button.classList.remove("is-copied"), COPIED_SECONDS * 1000);
  };

  // --- Theme: <button data-theme-choice="light|system|dark"> ---
  const showTheme = () => {
    const chosen = root.dataset.theme ?? "system";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
    }
  };
  const chooseTheme = (choice) => {
    if (choice === "system") delete root.dataset.theme;
    else root.dataset.theme = choice;
    try {
      if (choice === "system") localStorage.removeItem("theme");
      else localStorage.setItem("theme", choice);
    } catch {
      // The choice holds for this page only.
    }
    showTheme();
  };

  // --- Dialogs: a fragment turns the empty <dialog id="drawer"> into one that asks to be modal ---
  const showModals = () => {
    for (const dialog of document.querySelectorAll("dialog[data-modal]:not(.as-page):not(:modal)")) {
      dialog.removeAttribute("open");
      dialog.showModal();
    }
  };
  document.addEventListener("close", ({ target: dialog }) => {
    if (!dialog.matches("dialog[data-modal]")) return;
    for (const name of ["data-modal", "data-deliberate", "aria-labelledby"]) dialog.removeAttribute(name);
    dialog.replaceChildren(); // what it showed, perhaps a secret, leaves the page with it
  }, true);
  document.addEventListener("cancel", (event) => {
    if (event.target.matches("dialog[data-deliberate]")) event.preventDefault();
  }, true);

  // --- Notices: leave by themselves, or by their button ---
  const expireNotices = () => {
    for (const notice of document.querySelectorAll("#notices > .notice:not([data-timed])")) {
      notice.dataset.timed = "";
      if (!notice.classList.contains("critical")) setTimeout(() => notice.remove(), NOTICE_SECONDS * 1000);
    }
  };

  document.addEventListener("click", (event) => {
    const found = (selector) => event.target.closest(selector);
    if (found("[data-copy]")) copy(found("[data-copy]"));
    else if (found("[data-theme-choice]")) chooseTheme(found("[data-theme-choice]").dataset.themeChoice);
    else if (found("[data-dismiss]")) found(".notice")?.remove();
    else if (found("[data-close]")) {
      const dialog = found("dialog");
      if (dialog?.matches(":modal")) {
        event.preventDefault();
        dialog.close();
      }
    }
  });

  // A chosen file becomes the text of a control, where it can be read and corrected: <input data-file-into="id">
  document.addEventListener("change", async ({ target: input }) => {
    const file = input.matches?.("[data-file-into]") && input.files[0];
    if (!file) return;
    const bytes = await file.arrayBuffer();
    const read = (encoding, fatal) => new TextDecoder(encoding, { fatal }).decode(bytes);
    const text = document.getElementById(input.dataset.fileInto);
    try {
      text.value = read("utf-8", true);
    } catch {
      text.value = read("windows-1252", false); // as spreadsheets on Windows write
    }
    input.value = "";
    text.focus();
  });

  // A press on the dimmed page closes a modal, except one that must be acknowledged.
  document.addEventListener("mousedown", (event) => {
    const dialog = event.target;
    if (dialog instanceof HTMLDialogElement && dialog.matches(":modal:not([data-deliberate])")) {
      const box = dialog.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside) dialog.close();
    }
  });

  // A page in a background tab asks nothing.
  document.addEventListener("htmx:config:request", (event) => {
    if (document.hidden && event.detail.ctx.sourceEvent?.type === "every") event.preventDefault();
  });
  // A refused or failed change says so; a poll that fails stays quiet, the next one will tell.
  const tell = (text) => {
    const notice = document.createElement("div");
    notice.className = "notice critical";
    notice.setAttribute("role", "alert");
    notice.append(text);
    document.getElementById("notices")?.replaceChildren(notice);
    setTimeout(() => notice.remove(), NOTICE_SECONDS * 1000);
  };
  const isPoll = (ctx) => ctx?.sourceEvent?.type === "every";
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    const isForm = [409, 422].includes(ctx.response.status) && ctx.response.headers.get("HX-Reswap") !== "none";
    if (isForm || isPoll(ctx)) return;
    tell(ctx.response.status === 403 ? "You may not do that, or the page is too old. Reload it and try again." : "That did not work. Reload the page and try again.");
  });
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (ctx && !isPoll(ctx)) tell("The server cannot be reached. Nothing was changed.");
  });
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    ctx.sourceElement.closest("[popover]:popover-open")?.hidePopover();
  });
  // A form that came back wrong continues where it is wrong, unless somebody types elsewhere meanwhile.
  const showMistake = () => {
    if (document.activeElement?.matches("input, select, textarea")) return;
    const wrong = document.querySelector('#drawer [aria-invalid="true"]');
    (wrong?.matches("fieldset") ? wrong.querySelector("input") : wrong)?.focus();
  };
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    showModals();
    expireNotices();
    if (ctx?.response?.status === 422) showMistake();
  });

  const begin = () => {
    for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
      const strip = tab.parentElement;
      strip.scrollLeft = tab.offsetLeft - strip.offsetLeft - (strip.clientWidth - tab.offsetWidth) / 2;
    }
    showTheme();
    expireNotices();
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
