"use strict";
(function () {
  var form = document.getElementById("form");
  if (!form || !window.FormData || !window.DOMParser) { return; }
  var at = function (id) { return document.getElementById(id); };
  var file = at("file"), drop = at("drop"), result = at("result"), bar = at("progress");
  var chosen = null, running = null;

  function wrong(vi, en) {
    at("wrong-vi").textContent = vi;
    at("wrong-en").textContent = en;
    at("wrong").hidden = false;
  }

  function busy(on) {
    at("work").hidden = !on;
    at("send").disabled = on;
    file.disabled = on;
    if (!on) { running = null; }
  }

  function stage(checking) {
    at("stage-send").hidden = checking;
    at("stage-check").hidden = !checking;
    if (checking) { bar.removeAttribute("value"); }
  }

  // Exactly what was signed is a beginning of the file, and the file is here.
  function downloads(main, from) {
    main.querySelectorAll(".timeline li[data-end]").forEach(function (step, number) {
      var end = Number(step.getAttribute("data-end"));
      if (!(end > 0 && end <= from.size)) { return; }
      var link = document.createElement("a");
      ["vi", "en"].forEach(function (lang) {
        var text = document.createElement("span");
        text.className = "l";
        text.lang = lang;
        text.textContent = result.getAttribute("data-take-" + lang);
        link.appendChild(text);
      });
      link.className = "download";
      link.href = "#";
      link.addEventListener("click", function (event) {
        event.preventDefault();
        var address = URL.createObjectURL(from.slice(0, end, "application/octet-stream"));
        var save = document.createElement("a");
        save.href = address;
        save.download = from.name.replace(/(\.[^.]{1,8})?$/, ".ban-ky-" + (number + 1) + "$1");
        save.click();
        setTimeout(function () { URL.revokeObjectURL(address); }, 10000);
      });
      step.appendChild(document.createTextNode(" "));
      step.appendChild(link);
    });
  }

  function show(text, from) {
    var page = new DOMParser().parseFromString(text, "text/html");
    var main = page.getElementById("report");
    if (!main) {
      wrong("Máy chủ trả lời không đúng dạng. Tải lại trang rồi thử lại.",
        "The server's answer is not a report. Reload the page and try again.");
      return;
    }
    main = document.importNode(main, true);
    downloads(main, from);
    result.replaceChildren(main);
    result.focus();
    result.scrollIntoView();
  }

  function failed(asked) {
    var told = {};
    try { told = JSON.parse(asked.responseText); } catch (ignored) { told = {}; }
    wrong(told.detail_vi ? told.title + ": " + told.detail_vi : "Không gửi được tệp. Thử lại sau.",
      told.detail ? told.title_en + ": " + told.detail : "The file could not be sent. Try again.");
  }

  function send() {
    if (!chosen || running) { return; }
    at("wrong").hidden = true;
    result.replaceChildren();
    if (chosen.size > Number(form.getAttribute("data-max")) * 1048576) {
      wrong("Tệp quá lớn.", "The file is too large.");
      return;
    }
    var from = chosen, data = new FormData(), asked = new XMLHttpRequest();
    data.append("file", from, from.name);
    running = asked;
    busy(true);
    stage(false);
    bar.value = 0;
    asked.upload.onprogress = function (event) {
      if (event.lengthComputable) { bar.value = Math.round(100 * event.loaded / event.total); }
    };
    asked.upload.onload = function () { stage(true); };
    asked.onload = function () {
      busy(false);
      if (asked.status === 200) { show(asked.responseText, from); } else { failed(asked); }
    };
    asked.onerror = function () { busy(false); failed(asked); };
    asked.onabort = function () { busy(false); };
    asked.open("POST", form.action);
    asked.setRequestHeader("Accept", "application/json");
    asked.send(data);
  }

  function take(files) {
    if (files && files.length) { chosen = files[0]; send(); }
  }

  form.addEventListener("submit", function (event) { event.preventDefault(); take(file.files); });
  file.addEventListener("change", function () { take(file.files); });
  at("stop").addEventListener("click", function () { if (running) { running.abort(); } });
  ["dragover", "dragenter"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      event.preventDefault();
      drop.classList.add("over");
    });
  });
  ["dragleave", "drop"].forEach(function (name) {
    document.addEventListener(name, function () { drop.classList.remove("over"); });
  });
  document.addEventListener("drop", function (event) {
    event.preventDefault();
    if (!running) { take(event.dataTransfer.files); }
  });
})();
