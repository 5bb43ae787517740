-- URLs that are known, and settled.
--
-- Arguments:
--   urls       so many, then of each:
--     kind        of its task
--     key         of the URL
--     remark      see read_note()
-- Returns 1.
--- include putting_back, finish

for _ = 1, num() do
  local kind, key, remark = str(), str(), str()
  learn(kind, key, remark)
end
return finish(1)
