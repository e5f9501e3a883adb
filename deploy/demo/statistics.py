# Counts the words of a text: POST {"text": "…"}
import re

payload = event.request.payload or {}
text = payload.get("text", "")
words = re.findall(r"\w+", text.lower())
frequency = {}
for word in words:
    frequency[word] = frequency.get(word, 0) + 1
common = sorted(frequency, key=lambda word: (-frequency[word], word))[:3]

return {"words": len(words), "distinct": len(frequency), "most_common": common}
